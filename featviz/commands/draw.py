"""`featviz draw`: the drawing page."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from featviz.base.errors import needing, printable
from featviz.commands.shared import say


@dataclass(frozen=True)
class DrawCommand:
    """Draw faces on a local web page, see them generated at once, and save the sketches."""

    checkpoints: tuple[str, ...] = ("modified", "baseline")
    """Shipped ones by name, run folders, .safetensors, .pth, data bases of photos. The page shows
    the first two to begin with, and offers all of these and all shipped ones."""
    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 lets other machines in, who then need the token."""
    port: int = 8512
    """Port to listen on; 0 takes any free one."""
    database: str | None = None
    """Where sketches are kept: a file, or postgresql://USER:PASSWORD@HOST/NAME; a file in your
    data folder if not given."""
    token: str | None = None
    """What everybody needs who draws; the printed address holds it. If it is not given: the first
    line of --token-file, or the environment's FEATVIZ_TOKEN, or one of your own, made once. An
    empty one lets in everybody on this machine."""
    token_file: Path | None = None
    """File with the token: other users of a machine see the words of a command."""
    sketches: Path | None = None
    """Sketch set to start from and to map probes with; the folder `sketches` here if not given."""
    names: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Another name by which browsers may call this server, as a proxy or your network knows it."""
    browser: bool = True
    """Open the page in a browser."""

    def run(self) -> None:
        """Serve until stopped."""
        with needing("the drawing page", "draw"):
            from featviz.studio.server import choose_token, open_page, serve

        def ready(address: str, database: str) -> None:
            say(f"drawing page: {address}")
            say(f"sketches:     {printable(database)}")
            say("Stop with Ctrl+C.")
            if self.browser:
                open_page(address)

        serve(
            self.checkpoints,
            self.host,
            self.port,
            self.database,
            choose_token(self.token, self.token_file),
            self.sketches,
            self.names,
            ready,
        )
