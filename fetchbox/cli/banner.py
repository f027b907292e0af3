"""What `fetchbox dev` tells the person at the terminal, beside its log."""

from fetchbox.bootstrap.api import BIND_KEY
from fetchbox.bootstrap.listeners import METRICS_KEY
from fetchbox.cli import origin
from fetchbox.cli.render import show_note
from fetchbox.settings.sections import BrokerProvider, StorageProvider
from fetchbox.settings.settings import Settings
from fetchbox.settings.values import Address


class Banner:
    """Writes to stderr, so that stdout stays a log."""

    def __init__(self, settings: Settings, *, with_origin: bool) -> None:
        """Know what to tell; nothing is written before something listens."""
        self._settings = settings
        self._with_origin = with_origin

    def tell(self, key: str, address: Address) -> None:
        """Tell what listens where."""
        url = f"http://{address}"
        match key:
            case _ if key == BIND_KEY:
                self._tell_api(url)
            case _ if key == METRICS_KEY:
                show_note(f"  metrics     {url}/metrics")
            case _ if key == origin.NAME:
                show_note(f"  origin      {url}/ (sample resources)")

    def _tell_api(self, url: str) -> None:
        storage, broker = self._settings.storage, self._settings.broker
        show_note(f"  API         {url} (documentation: {url}/docs)")
        if storage.provider is StorageProvider.LOCAL:
            show_note(f"  objects     {storage.path}/{storage.bucket}/")
        if broker.provider is BrokerProvider.SQLITE:
            show_note(f"  broker      {broker.path}")
        show_note(f"  ledger      {self._settings.server.ledger_path}/")
        if self._with_origin:
            server = "" if url.endswith(":8080") else f" --server {url}"
            line = "fetchbox submit examples/manifests/gallery.json --job-type gallery --wait"
            show_note(f"  try         {line}{server}")
        show_note("  stop        Ctrl-C")
