"""Files of Keras's weights by a stranger: numbers alone are read, and no more than there are."""

import io
import re
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from ferkeras.cli.errors import InputError
from ferkeras.config.networks.backbone import Backbone
from ferkeras.data.presets.fer2013 import FER2013
from ferkeras.data.task import ImageSpec, Task
from ferkeras.files.inner import InnerPath
from ferkeras.files.weights import DamagedWeights, layers_of, open_weights, values_of
from ferkeras.network.architectures.backbone import load_file
from ferkeras.network.model import build_network
from ferkeras.network.weights_file import find_weights
from ferkeras.runs.network import refuse_untrained_numbers

KERNEL = "layers/conv2d/vars/0"


@pytest.fixture
def trunk(tiny_backbones):
    """A backbone as Keras makes it, with weights of its own."""
    made = keras.applications.MobileNetV3Small(
        weights=None, include_top=False, include_preprocessing=False, input_shape=(64, 64, 3)
    )
    made.set_weights([np.full_like(each, 0.03) for each in made.get_weights()])
    return made


@pytest.fixture
def network(tiny_backbones):
    task = Task(FER2013.classes, ImageSpec(48, 48, 1))
    return build_network(Backbone(weights="none"), task, mean=0.5, std=0.25)


def taken(network, path):
    settings = Backbone(weights=str(path))
    return load_file(network, settings, find_weights(settings))


def altered(path, alter):
    """A `.keras` or `.h5` file, its HDF5 file handed to a function that alters it."""
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            alter(file)
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    content = io.BytesIO(members["model.weights.h5"])
    with h5py.File(content, "r+") as file:
        alter(file)
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, content.getvalue() if name == "model.weights.h5" else member)


def instead(**how):
    """Put another array in the place of the first kernel."""

    def alter(file):
        shape = file[KERNEL].shape
        del file[KERNEL]
        file.create_dataset(KERNEL, **{"shape": shape, "dtype": "f4", **how})

    return alter


def linked(link):
    def alter(file):
        del file[KERNEL]
        file[KERNEL] = link

    return alter


def virtual(file):
    layout = h5py.VirtualLayout(file[KERNEL].shape, "f4")
    layout[...] = h5py.VirtualSource("other.h5", "a", file[KERNEL].shape)
    del file[KERNEL]
    file.create_virtual_dataset(KERNEL, layout)


def into_itself(file):
    file["layers/again"] = file["layers"]


def filled(value):
    def alter(file):
        file[KERNEL][...] = value

    return alter


def renamed(file):
    file["layers/conv2d/vars"].attrs["name"] = "\x1b[2Jconv"


TRAPS = {
    "declares 4 TB": instead(shape=(1 << 20, 1 << 20)),
    "declares 300 MB": instead(shape=(3, 3, 3, 3_000_000)),
    "declares the right shape and holds nothing": instead(),
    "packed, as a bomb is": instead(data=np.ones((3, 3, 3, 4), "f4"), compression="gzip"),
    "in another file": instead(external="/dev/zero"),
    "a link to another file": linked(h5py.ExternalLink("other.h5", "/a")),
    "a link inside": linked(h5py.SoftLink("/layers/batch_normalization/vars/0")),
    "made of other files": virtual,
    "a group in itself": into_itself,
    "text": instead(data=["a"] * 9, shape=(9,), dtype=h5py.string_dtype()),
    "NaN": filled(np.nan),
    "infinite": filled(-np.inf),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A folder with a network's weights as Keras writes them, in both of its files."""
    folder = tmp_path_factory.mktemp("sound")
    faces = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(faces)
    model = keras.Model(faces, keras.layers.BatchNormalization(name="conv_bn")(x))
    model.save(folder / "a.keras")
    model.save_weights(folder / "a.weights.h5")
    return folder


def read(path):
    with open_weights(InnerPath(path.parent, path.name), 16 << 20) as file:
        return {
            name: [values_of(each) for each in found] for name, found in layers_of(file).items()
        }


@pytest.mark.parametrize("kind", ["a.keras", "a.weights.h5"])
@pytest.mark.parametrize("trap", TRAPS)
def test_what_keras_does_not_write_is_refused(trap, kind, sound, tmp_path):
    path = Path(shutil.copy(sound / kind, tmp_path))
    assert [each.shape for each in read(path)["conv"]] == [(3, 3, 3, 4)]
    altered(path, TRAPS[trap])
    with pytest.raises(DamagedWeights):
        read(path)


@pytest.mark.parametrize("kind", ["a.keras", "a.weights.h5"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.98])
def test_a_part_of_a_file_is_damaged(part, kind, sound, tmp_path):
    content = (sound / kind).read_bytes()
    (tmp_path / kind).write_bytes(content[: int(part * len(content))])
    with pytest.raises(DamagedWeights):
        read(tmp_path / kind)


@pytest.mark.parametrize("alter", ["declares 300 MB", "a link to another file", "NaN"])
def test_a_network_is_as_it_was_when_its_weights_are_refused(alter, trunk, network, tmp_path):
    trunk.save(tmp_path / "a.keras")
    altered(tmp_path / "a.keras", TRAPS[alter])
    before = network.get_weights()
    path = re.escape(str(tmp_path / "a.keras"))
    with pytest.raises(InputError, match=rf"^network.weights: {path}: (damaged|not)"):
        taken(network, tmp_path / "a.keras")
    for now, then in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_graph_of_a_file_is_not_built(trunk, network, tmp_path, monkeypatch):
    """Neither its Lambda nor a class of its own is looked at; the layers beside them are taken."""
    faces = keras.Input((64, 64, 3))
    x = keras.layers.Lambda(lambda values: values * 2)(trunk(faces))
    keras.Model(faces, keras.layers.GlobalAveragePooling2D()(x)).save(tmp_path / "a.keras")
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("built"))
    assert taken(network, tmp_path / "a.keras") == trunk.count_params()
    for layer in trunk.layers:
        for mine, theirs in zip(
            network.get_layer(layer.name).get_weights() if layer.weights else [],
            layer.get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(mine, theirs)


def test_a_configuration_that_is_no_json_changes_nothing(trunk, network, tmp_path):
    trunk.save(tmp_path / "sound.keras")
    with (
        zipfile.ZipFile(tmp_path / "sound.keras") as sound,
        zipfile.ZipFile(tmp_path / "a.keras", "w") as archive,
    ):
        archive.writestr("config.json", '{"module": "os", "class_name": "system"')
        archive.writestr("model.weights.h5", sound.read("model.weights.h5"))
    assert taken(network, tmp_path / "a.keras") == trunk.count_params()


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_that_unpacks_to_much_more_is_not_unpacked(packing, tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "a.keras", "w", packing) as archive,
        archive.open("model.weights.h5", "w") as member,
    ):
        for _ in range(32):
            member.write(bytes(1 << 20))
    with pytest.raises(DamagedWeights), open_weights(InnerPath(tmp_path, "a.keras"), 16 << 20):
        pass


def test_a_file_without_names_is_taken_in_its_order(trunk, network, tmp_path):
    """As Keras wrote them before it noted the names."""
    trunk.save_weights(tmp_path / "a.weights.h5")

    def without_names(file):
        file.visititems(lambda _, each: each.attrs.pop("name", None) and None)

    altered(tmp_path / "a.weights.h5", without_names)
    assert taken(network, tmp_path / "a.weights.h5") == trunk.count_params()
    np.testing.assert_array_equal(network.get_layer("conv").get_weights()[0], np.float32(0.03))


def test_a_layer_of_another_name_is_named_without_its_escapes(trunk, network, tmp_path):
    trunk.save(tmp_path / "a.keras")
    altered(tmp_path / "a.keras", renamed)
    with pytest.raises(InputError, match="its layer conv is not there") as caught:
        taken(network, tmp_path / "a.keras")
    assert str(caught.value).isprintable()


def test_a_name_that_is_a_link_is_followed_for_who_gives_it(trunk, network, tmp_path):
    """As downloads are kept by programs that keep each file once."""
    trunk.save(tmp_path / "blob.keras")
    (tmp_path / "blob.keras").rename(tmp_path / "5e3b")
    (tmp_path / "a.keras").symlink_to("5e3b")
    assert taken(network, tmp_path / "a.keras") == trunk.count_params()


def test_an_array_that_is_named_again_and_again_counts_as_often(tmp_path):
    """Keras 2 lists the arrays of a layer by name, and would read each as often as it stands."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("conv")
        group["kernel"] = np.ones(1 << 18, np.float32)
        group.attrs["weight_names"] = [b"kernel"] * 60
    path = InnerPath(tmp_path, "a.h5")
    with pytest.raises(DamagedWeights, match="more than"), open_weights(path, 16 << 20):
        pass


def test_half_precision_is_read_as_it_was_written(tmp_path):
    dtype = keras.ops.convert_to_tensor(0, "bfloat16").numpy().dtype
    values = np.array([0.5, -3.0, 1e-3, 70000.0]).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("layers/dense/vars")
        group.attrs["name"] = "dense"
        group.create_dataset("0", data=values).attrs["dtype"] = "bfloat16"
        group["1"] = np.float16([1.5])
    with open_weights(InnerPath(tmp_path, "a.h5"), 1 << 20) as file:
        kernel, bias = map(values_of, layers_of(file)["dense"])
    np.testing.assert_array_equal(kernel, values.astype(np.float32))
    np.testing.assert_array_equal(bias, [1.5])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kernel", np.nan),
        ("kernel", -np.inf),
        ("kernel", 1.8e38),
        ("moving_variance", -0.5),
        ("moving_variance", np.nan),
        ("gamma", -1e20),
    ],
)
def test_a_weight_that_no_training_leaves_is_refused(name, value):
    faces = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(2, 3, use_bias=False)(faces)
    model = keras.Model(faces, keras.layers.BatchNormalization()(x))
    refuse_untrained_numbers(model)
    weight = next(each for each in model.weights if each.name == name)
    values = weight.numpy()
    values.flat[0] = value
    weight.assign(values)
    with pytest.raises(ValueError, match=name):
        refuse_untrained_numbers(model)


def test_an_object_that_cannot_be_opened_is_damaged(sound, tmp_path):
    """Each byte of the file's index in turn: some leave names that lead to nothing."""
    with zipfile.ZipFile(sound / "a.keras") as archive:
        content = archive.read("model.weights.h5")
    for at in range(0, len(content), 97):
        spoilt = bytearray(content)
        spoilt[at] ^= 0xFF
        (tmp_path / "a.weights.h5").write_bytes(spoilt)
        with suppress(OSError, KeyError, ValueError):
            read(tmp_path / "a.weights.h5")
