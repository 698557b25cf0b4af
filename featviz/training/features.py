"""What a trained encoder makes of the training photos, clustered: the appearances of a run."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from featviz.base.progress import track
from featviz.faces.instances import INSTANCES
from featviz.generators.appearances import Appearances
from featviz.generators.networks.encoder import FeatureEncoder
from featviz.training.data import PairTensors
from featviz.training.pair import batch_of

_CLUSTERS = 10
_MOST_PHOTOS = 1000
"""More photos would hardly move ten cluster centres, and take long on a CPU."""


def encode_photos(
    encoder: FeatureEncoder, dataset: PairTensors, device: torch.device
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Feature vectors (photos, instances, channels) and areas (photos, instances) in pixels.

    Takes at most `_MOST_PHOTOS` of the photos, evenly spread over the data set.
    """
    count = encoder.architecture.instances
    chosen = np.unique(np.linspace(0, len(dataset) - 1, _MOST_PHOTOS).astype(int))
    vectors, areas = [], []
    with torch.inference_mode():
        for index in track(chosen.tolist(), "encoding photos"):
            batch = batch_of([dataset[index]]).to(device)
            assert batch.instances is not None
            of_photo = batch.instances[:, 1]
            vectors.append(encoder(batch.photo, of_photo)[0].cpu().numpy())
            areas.append(np.bincount(of_photo.flatten().cpu().numpy(), minlength=count))
    return np.stack(vectors), np.stack(areas)


def cluster_features(
    vectors: NDArray[np.float32], areas: NDArray[np.int64], clusters: int = _CLUSTERS
) -> Appearances:
    """Cluster feature vectors (photos, instances, channels), each instance by itself, by k-means.

    areas: (photos, instances), pixels; an observation weighs as much as it is large, and one of
    no pixels is left out. (pix2pixHD leaves out what covers less than 1/64 of the image; eyes
    and brows never cover more.)
    """
    centres: dict[str, NDArray[np.float32]] = {}
    shares: dict[str, NDArray[np.float32]] = {}
    for number, name in enumerate(INSTANCES):
        weights = areas[:, number].astype(np.float64)
        seen = weights > 0
        points, weights = vectors[seen, number].astype(np.float64), weights[seen]
        count = min(clusters, len(np.unique(points, axis=0)))
        if count == 0:
            centres[name] = np.zeros((0, vectors.shape[2]), np.float32)
            shares[name] = np.zeros(0, np.float32)
            continue
        # More threads would add up the distances in another order.
        with threadpool_limits(1):
            means = KMeans(count, random_state=0, n_init=4)
            labels = means.fit_predict(points, sample_weight=weights)
        weight = np.bincount(labels, weights, count)
        order = np.argsort(-weight, kind="stable")
        centres[name] = means.cluster_centers_[order].astype(np.float32)
        shares[name] = (weight[order] / weight.sum()).astype(np.float32)
    return Appearances(centres, shares)
