"""The options that the benchmark sets, and the ones it reads."""

import argparse


class TrainOptions:
    isTrain = True  # noqa: N815 (NVIDIA's name)

    def initialize(self):
        self.parser = argparse.ArgumentParser()
        for name, default in (("label_nc", 35), ("ngf", 64), ("ndf", 64), ("num_D", 2)):
            self.parser.add_argument(f"--{name}", type=int, default=default)
        for name in ("no_instance", "no_vgg_loss"):
            self.parser.add_argument(f"--{name}", action="store_true")
        self.parser.add_argument("--lambda_feat", type=float, default=10.0)
        self.parser.add_argument("--gpu_ids", default="0")
