"""Kinds of network: each has its own keys, takes faces of any size, and costs about the same."""

import math
from types import SimpleNamespace

import keras
import pytest

from ferkeras.ablate.plan import plan_between
from ferkeras.cli.errors import InputError
from ferkeras.compare.comparison import differing_settings
from ferkeras.config.file import load_config, with_values
from ferkeras.config.keys import all_keys, blocks, flat
from ferkeras.config.networks import KINDS
from ferkeras.config.networks.plain import Plain
from ferkeras.config.networks.residual import Residual
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.task import ImageSpec, Task
from ferkeras.network.model import build_network
from ferkeras.report.html.settings import settings_by_section
from ferkeras.tensorboard.summaries import hyperparameters


def problem(*overrides, path=None):
    with pytest.raises(InputError) as caught:
        load_config(path, overrides)
    return str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "owner", "kind"),
    [
        (["network.squeeze_excite=0.25"], "residual", "plain"),
        (["network.separable=true"], "residual", "plain"),
        (["network.kind=residual", "network.first_stride=2"], "plain", "residual"),
        (["network.filters=[4]", "network.kind=backbone"], "plain or residual", "backbone"),
        (["network.weights=none"], "backbone", "plain"),
    ],
)
def test_a_key_of_another_kind_is_refused_and_its_kind_named(overrides, owner, kind):
    expected = f"belongs to network.kind={owner}, and this is {kind}; leave it out, or set"
    assert expected in problem(*overrides)


@pytest.mark.parametrize("order", [1, -1])
def test_kind_and_its_keys_come_in_any_order(order):
    overrides = ["network.kind=residual", "network.squeeze_excite=0.25", "network.filters=[4,8]"]
    network = load_config(None, overrides[::order]).network
    assert (network.kind, network.squeeze_excite, network.filters) == ("residual", 0.25, (4, 8))


def test_another_kind_than_the_files_takes_over_what_both_have(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "network:\n  kind: residual\n  filters: [4, 8]\n  stem_filters: 3\n  conv_dropout: 0.15\n"
    )
    plain = load_config(path, ["network.kind=plain"])
    assert plain.network == Plain(filters=(4, 8), conv_dropout=0.15)
    # What the file itself gives to the wrong kind is no less an error for that.
    assert "mine.yaml:4: network.stem_filters: belongs to" in problem(
        "network={kind: plain}", "network.stem_filters=3"
    ).replace("command line", "mine.yaml:4")
    path.write_text("network:\n  kind: residual\n  first_stride: 2\n")
    assert "mine.yaml:3: network.first_stride: belongs to network.kind=plain" in problem(
        "network.kind=backbone", path=path
    )


def test_a_changed_configuration_may_change_its_kind():
    base = load_config(None, ["network.kind=residual", "network.separable=true"])
    assert with_values(base, {"network.kind": "plain", "network.filters": [4]}).network.filters == (
        4,
    )
    with pytest.raises(InputError, match="separable: belongs to"):
        with_values(base, {"network.kind": "plain", "network.separable": True})


@pytest.mark.parametrize("kind", ["residuel", "null", "[1]", "true"])
def test_an_unknown_kind_lists_those_there_are(kind):
    expected = f"command line: network.kind = {kind}: expected one of {', '.join(KINDS)}"
    assert expected in problem(f"network.kind={kind}")


def test_every_kind_reads_back_from_what_it_writes():
    for kind in KINDS:
        config = load_config(None, [f"network.kind={kind}"])
        assert with_values(config, flat(config)) == config


def test_every_key_of_every_kind_is_documented_once_or_by_kind():
    keys = [f"network.{key}" for each in KINDS.values() for key in each.model_fields]
    assert {key for key in all_keys() if key.startswith("network.")} == set(keys)
    shown = [(block.title, key) for block in blocks() for key in block.fields]
    assert len(shown) == len(set(shown))
    assert ("network", "network.kind") in shown
    assert ("network.kind=residual", "network.squeeze_excite") in shown


def multiplications(model):
    """Of the convolutions, for one face."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            height, width, filters = layer.output.shape[1:]
            total += height * width * filters * math.prod(layer.kernel.shape[:3])
    return total


def built(settings, height, width, channels):
    task = Task(FER2013.classes, ImageSpec(height, width, channels))
    return build_network(settings, task, mean=0.5, std=0.25)


@pytest.mark.parametrize(
    "settings", [Plain(), Residual(residual_blocks=(1,))], ids=lambda settings: settings.kind
)
def test_large_pictures_cost_about_what_small_ones_do(settings):
    usual = multiplications(built(settings, 48, 48, 1))
    for height, width, channels in ((112, 112, 3), (512, 384, 1)):
        assert multiplications(built(settings, height, width, channels)) < 2 * usual


@pytest.mark.parametrize("side", [16, 20, 31, 48, 64, 96, 112, 160, 224, 300, 512])
@pytest.mark.parametrize("kind", [Plain, Residual])
def test_strides_follow_the_size_unless_they_are_given(kind, side):
    key, most = ("first_stride", 64) if kind is Plain else ("stem_stride", 32)
    stride = getattr(kind().for_faces(side, side), key)
    assert side / stride <= most
    assert stride == 1 or side / stride > most / 2
    assert getattr(kind(**{key: 3}).for_faces(side, side), key) == 3


def test_faces_of_fer2013_have_the_network_that_they_had():
    assert Plain().for_faces(48, 48) == Plain(filters=(32, 64, 128, 256), first_stride=1)
    assert Residual().for_faces(48, 48).stem_stride == 2


def test_small_faces_have_fewer_blocks_and_more_than_fit_are_refused():
    assert Plain().for_faces(16, 16).filters == (32, 64, 128)
    with pytest.raises(InputError, match=r"network\.filters: 5 blocks halve .* at most 4"):
        Plain(filters=(4,) * 5).for_faces(16, 20)


# What shows or changes settings knows kinds too.


def two_kinds():
    plain = load_config(None, ["network.first_stride=2", "train.epochs=3"])
    residual = load_config(None, ["network.kind=residual", "network.separable=true"])
    return plain, residual


def test_an_ablation_goes_from_one_kind_to_another_and_back():
    first, second = two_kinds()
    arms = plan_between(first, second, {}, seeds=1, hours=None).arms
    assert arms["+ network"].network == second.network
    assert arms["+ network"].train == first.train
    # The network taken away again from the end, which is the other change alone.
    assert arms["+ train"].network == first.network
    assert {arm.network for arm in arms.values()} == {first.network, second.network}


def test_runs_of_two_kinds_are_compared_by_all_their_keys():
    runs = [SimpleNamespace(config=config) for config in two_kinds()]
    table = dict(differing_settings(runs))
    assert table["network.kind"] == ["plain", "residual"]
    assert table["network.first_stride"] == [2, "-"]
    assert table["network.separable"] == ["-", True]


def test_pages_mark_what_differs_from_the_kinds_own_defaults():
    _, residual = two_kinds()
    shown = {name: changed for name, _, changed in dict(settings_by_section(residual))["network"]}
    assert [name for name, changed in shown.items() if changed] == ["separable"]


def test_tensorboard_has_a_column_for_the_keys_of_every_kind():
    described = str(hyperparameters(two_kinds()[0], "run"))
    for key in all_keys():
        assert key in described or key == "name"
