"""The section `network`: one of three kinds, each with its own keys."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from ferkeras.config.networks.backbone import Backbone
from ferkeras.config.networks.common import AnyNetwork
from ferkeras.config.networks.plain import Plain
from ferkeras.config.networks.residual import Residual

KINDS: dict[str, type[AnyNetwork]] = {"plain": Plain, "residual": Residual, "backbone": Backbone}
"""The kinds by what `network.kind` calls them."""

DEFAULT_KIND = "plain"


def kind_of(network: Any) -> str:
    """What `network.kind` says, in a section or in a mapping that may become one."""
    if isinstance(network, dict):
        return str(network.get("kind", DEFAULT_KIND))
    return str(getattr(network, "kind", DEFAULT_KIND))


Network = Annotated[
    Annotated[Plain, Tag("plain")]
    | Annotated[Residual, Tag("residual")]
    | Annotated[Backbone, Tag("backbone")],
    Discriminator(kind_of),
]
"""The network: `kind` says which."""
