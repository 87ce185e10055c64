"""The configuration: what it refuses, how it says so, and that it documents itself."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ferkeras.cli.errors import InputError
from ferkeras.config import processor
from ferkeras.config.arguments import config_parser, configured, find_config
from ferkeras.config.file import dump_config, load_config, read_override, with_values
from ferkeras.config.hints import CALLED, CONFIGS, REMARKS, hint_for_key
from ferkeras.config.idle import IDLE, SYNTHETIC, refuse_idle
from ferkeras.config.keys import all_keys, as_arguments, describe_keys, flat, with_dots
from ferkeras.config.schema import Config
from ferkeras.config.yaml_text import read_value
from ferkeras.fit import __main__ as fit


def problems(path: Path | None, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        load_config(path, overrides)
    return str(caught.value)


def refusal(path: Path | None, *overrides: str) -> str | None:
    """The error's text, or None where the configuration is taken; anything else is raised."""
    try:
        load_config(path, overrides)
    except InputError as error:
        return str(error)
    return None


@pytest.fixture
def write(tmp_path):
    def write_text(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write_text


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid_and_bears_its_file_name(path):
    assert load_config(path).name == path.stem


def test_file_then_command_line(write):
    path = write("train:\n  epochs: 3\n  batch_size: 16\n")
    config = load_config(
        path, ["train.epochs=7", "network.dense_units=[]", "train.learning_rate=1e-2"]
    )
    assert (config.train.epochs, config.train.batch_size) == (7, 16)
    assert config.network.dense_units == ()
    assert config.train.learning_rate == 0.01
    assert config.name == "mine"


@pytest.mark.parametrize("value", ["atuo", "0", "11", "null", "[1]"])
def test_a_learning_rate_is_a_number_or_auto(value):
    assert load_config(None, ["train.learning_rate=auto"]).train.learning_rate == "auto"
    text = problems(None, f"train.learning_rate={value}", "train.epochs=0")
    assert text.startswith("2 errors")
    hint = "did you mean auto?; " if value == "atuo" else ""
    assert (
        f"command line: train.learning_rate = {value}: expected number, above 0 to 10, or auto; "
        f"{hint}default 0.001" in text
    )


def test_a_learning_rate_that_was_found_replaces_auto(write):
    config = load_config(None, ["train.learning_rate=auto"])
    assert config.train.first_learning_rate == 0.001
    found = config.with_learning_rate(0.0042)
    assert found.train.first_learning_rate == found.train.learning_rate == 0.0042
    assert load_config(write(dump_config(found))).train == found.train


@pytest.mark.parametrize(
    ("flags", "precision"),
    [
        ("fpu avx512f avx512_bf16 fma", "mixed_bfloat16"),
        ("amx_bf16 avx2", "mixed_bfloat16"),
        ("fpu avx2 fma avx512f", "float32"),
        (None, "float32"),
    ],
)
def test_the_precision_is_that_of_the_processor_and_is_recorded(
    tmp_path, monkeypatch, write, flags, precision
):
    listed = tmp_path / "cpuinfo"
    if flags is not None:
        listed.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: amx_bf16\n")
    monkeypatch.setattr(processor, "_CPUINFO", listed)
    processor.computes_bfloat16.cache_clear()
    try:
        config = load_config(None, ["train.precision=auto"])
    finally:
        processor.computes_bfloat16.cache_clear()
    assert config.train.precision == precision
    assert load_config(write(dump_config(config))) == config


def test_resolved_configuration_reads_back_equal(write):
    config = load_config(CONFIGS / "stuck.yaml", ["train.global_clip_norm=null"])
    assert load_config(write(dump_config(config))) == config


def test_all_errors_at_once_each_with_place_value_rule_and_nearest_key(write):
    path = write(
        "train:\n  epochs: ten\n  batch_sise: 3\nnetwrk: {}\nmonitor: 3\nseed: true\n"
        "class_weight:\n  min: 2\n  max: 1\n"
    )
    text = problems(path, "train.optimizer=adm", "data.path")
    assert text.startswith("8 errors")
    assert f"{path}:2: train.epochs = ten: expected whole number, 1 to 1,000,000; def" in text
    assert f"{path}:3: train.batch_sise: no such key; did you mean train.batch_size?" in text
    assert f"{path}:4: netwrk: no such key; did you mean network?" in text
    assert f"{path}:5: monitor: expected a section" in text
    assert "seed = true" in text
    assert "min (2) must not be above max (1)" in text
    assert "command line: train.optimizer = adm: expected one of adam, adamw, sgd" in text
    assert "'data.path': expected a value after it: data.path=..." in text


def test_rules_between_keys_are_named_together_with_wrong_values(write):
    text = problems(write("train:\n  sampler: balanced\n  epochs: 0\n"))
    assert "train.epochs = 0" in text
    assert "train.allow_sampler_with_class_weight=true" in text


def test_sampler_with_class_weight_passes_when_it_is_meant():
    load_config(None, ["train.sampler=balanced", "train.allow_sampler_with_class_weight=true"])
    load_config(None, ["train.sampler=balanced", "class_weight.rule=none"])


def test_a_pytorch_momentum_is_translated():
    text = problems(None, "network.batchnorm_momentum=0.1")
    assert "weight of the OLD average" in text
    assert "written 0.9 here" in text


def test_a_value_that_is_a_mapping_itself_stays_one():
    asked = {"Dr. Happy": ["happy"], "angry": ["angry"]}
    for values in ({"data": {"classes": asked}}, {"data.classes": asked}):
        assert with_dots(values | {"train": {"epochs": 3}}) == {
            "data.classes": asked,
            "train.epochs": 3,
        }


def test_gradient_norms_that_vanish_are_below_those_that_explode():
    with pytest.raises(InputError, match=r"vanishing_norm=200 and exploding_norm=100: expected"):
        load_config(None, ["monitor.vanishing_norm=200"])
    load_config(None, ["monitor.vanishing_norm=200", "monitor.exploding_norm=300"])


def test_weight_decay_without_an_optimizer_that_has_it_is_refused():
    assert "adamw" in problems(None, "train.weight_decay=0.05")


def test_a_rule_that_file_and_command_line_break_together_names_both(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(
        "schedule:\n  plateau_from_epoch: null\ntrain:\n"
        "  learning_rate_schedule: cosine\n  warmup_epochs: 2\n"
    )
    assert (
        f"set train.warmup_epochs=1, or more epochs (train.epochs: command line, "
        f"train.warmup_epochs: {path}:5)" in problems(path, "train.epochs=2")
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("train.learning_rate=0,001", "; the decimal point is a dot: 0.001; default"),
        ("name=mein lauf", "expected text of letters a to z, digits, "),
        ("train.optimizer=adma", "one of adam, adamw, sgd; did you mean adam?; default"),
        ("monitor.trackers=[mlfow]", "; did you mean mlflow?; default []"),
        ("network.kind=resdual", "; did you mean residual?"),
        ("name=Müllers Lauf!", "; for example name=Mullers-Lauf; default"),
    ],
)
def test_what_is_written_otherwise_is_answered_with_how_it_is_written(given, said):
    assert said in problems(None, given)


def test_a_cosine_is_the_only_one_to_move_the_learning_rate():
    cosine = "train.learning_rate_schedule=cosine"
    assert "would both set the learning rate" in problems(None, cosine)
    alone = (cosine, "schedule.plateau_from_epoch=null", "train.epochs=4")
    assert load_config(None, [*alone, "train.warmup_epochs=1.5"]).train.warmup_epochs == 1.5
    late = problems(None, *alone, "train.warmup_epochs=4")
    assert (
        "command line: train.warmup_epochs (4) must be below train.epochs (4); "
        "set train.warmup_epochs=2" in late
    )
    assert "needs train.learning_rate_schedule=cosine" in problems(None, "train.warmup_epochs=1")


def test_blocks_are_given_for_all_stages_or_for_each():
    sizes = "network.filters=[4,8,16]"
    residual = "network.kind=residual"
    each = load_config(None, [sizes, residual, "network.residual_blocks=[1,2,3]"]).network
    assert each.blocks_of_stages == (1, 2, 3)
    assert load_config(None, [sizes, residual]).network.blocks_of_stages == (2, 2, 2)
    wrong = problems(None, sizes, residual, "network.residual_blocks=[1,2]")
    assert "residual_blocks has 2 numbers for the 3 stages" in wrong


def test_a_ramp_never_takes_dropout_away():
    assert "conv_dropout_end" in problems(None, "network.conv_dropout=0.3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train: [", "not valid YAML"),
        ("- a\n- b\n", "expected `section:`"),
        ("train:\n  epochs: 1\n  epochs: 2\n", ":3: train.epochs stands twice (first in line 2)"),
        ("a: !!python/object/apply:os.system [true]\n", "not valid YAML"),
        ("x" * (2 << 20), "larger than 64 KiB"),
        ("train: \x00\n", "not"),
        ("a: &a [1, 1]\nb: &b [*a, *a]\nmonitor: [*b, *b]\n", "anchors (&) and aliases (*)"),
        ("seed: !!int ''\n", "tags (!)"),
        ("monitor: " + "[" * 3000 + "]" * 3000, "nested more than 16 deep"),
        ("data:\n  path: " + "x" * 5000, "more than 4,096 characters"),
        ("seed: 1" + ":1" * 2000, "seed = "),
        ("seed: 1" + ":1" * 2000 + ".5", "expected whole number"),
        ("seed: 0x" + "f" * 4090, "expected whole number"),
        ("seed: " + "1" * 4090, "expected whole number"),
        (
            "train.epochs: 3",
            ":1: train.epochs: a file has sections: `train:`, and below it `  epochs:`",
        ),
        ("seed: 2001-99-99", "expected whole number"),
        ("".join(f"k{n}: 1\n" for n in range(5000)), "more than 20 errors"),
        ('"\\e[2J": 1\n', "\\x1b[2J"),
    ],
)
def test_a_file_that_is_no_configuration(write, text, expected):
    assert expected in problems(write(text))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.epochs=" + "[" * 5000, "nested more than 16 deep"),
        ("seed=!!int ''", "tags (!)"),
        ("train." + "x." * 50_000 + "=1", "no such key"),
        ("\x1b[2J=1", "\\x1b[2J"),
        ("train.epochs=\udcff", "not readable as YAML"),
        ("no sign at all\x1b" + "x" * 5000, "expected section.key=value"),
    ],
)
def test_an_override_that_is_none(override, expected):
    text = problems(None, override)
    assert expected in text
    assert "\x1b" not in text
    assert len(text) < 1000


def test_a_path_that_is_none():
    assert "not a path" in problems(Path("a\0b"))


def test_a_missing_file_names_its_neighbour(tmp_path):
    (tmp_path / "fer2013.yaml").write_text("")
    assert "did you mean" in problems(tmp_path / "fer2103.yaml")


def test_the_configuration_cannot_be_changed():
    with pytest.raises(ValidationError):
        Config().train.epochs = 3


@pytest.mark.parametrize("width", [40, 78, 200])
def test_help_documents_every_key_with_its_default_on_lines_that_fit(width):
    text = describe_keys(width)
    words = (line for line in text.splitlines() if " " in line.strip())
    assert max(map(len, words)) <= width
    for key, value in flat(Config()).items():
        assert f"  {key}=" in text, key
        if isinstance(value, str):
            assert f"  {key}={value}\n" in text


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_one_clear_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    assert refusal(path) != ""


@given(
    st.sampled_from(sorted(flat(Config()))),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
)
def test_any_value_of_any_key_is_taken_or_named(key, value):
    text = yaml.safe_dump(value).removesuffix("\n...\n")
    refused = refusal(None, f"{key}={text}")
    assert refused is None or key.rpartition(".")[2] in refused


def test_configuration_errors_come_before_tensorflow_is_imported():
    code = (
        "import sys\nfrom ferkeras.fit.__main__ import main\ncode = main(['train.epocs=3'])\n"
        "assert not {'tensorflow', 'keras', 'pandas'} & set(sys.modules), 'imported too early'\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CONFIGS.parent
    )
    assert done.returncode == 2, done.stderr
    assert "did you mean train.epochs?" in done.stderr
    assert "Traceback" not in done.stderr


# Words that people bring from elsewhere.

KEYS = all_keys()


@pytest.mark.parametrize(("keys", "words"), CALLED.items())
def test_words_lead_to_keys_that_exist_and_are_no_keys_themselves(keys, words):
    assert set(keys.split()) <= set(KEYS)
    for word in words.split():
        assert word not in KEYS
        hint = hint_for_key(f"train.{word}", KEYS, Config.model_fields)
        assert hint == f"did you mean {' or '.join(keys.split())}?"


def test_a_word_leads_to_one_hint():
    words = " ".join([*CALLED.values(), *REMARKS.values()]).split()
    assert len(words) == len(set(words))


@pytest.mark.parametrize("remark", REMARKS)
def test_remarks_name_keys_that_exist(remark):
    for key in re.findall(r"\b[a-z_]+\.[a-z_]+\b(?!_?\.\.)", remark):
        assert key in KEYS or any(known.startswith(key) for known in KEYS)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.lr=3", "train.lr: no such key; did you mean train.learning_rate?"),
        ("lr=3", "did you mean train.learning_rate?"),
        ("epochs=3", "did you mean train.epochs?"),
        ("dropout=0.2", "did you mean network.conv_dropout or network.dense_dropout?"),
        ("patience=5", "no training is ended early"),
        ("early_stopping=true", "no training is ended early"),
        ("data.image_size=64", "did you mean data.size?"),
        ("train.momentum=0.9", "sgd has Nesterov momentum 0.9"),
        ("class_weight={0:1.0,1:9.4}", "weights are computed from the counts"),
        ("class_weight={0: 1.0, 1: 9.4}", "weights are computed from the counts"),
        ("class_weight=[1, 9.4]", "weights are computed from the counts"),
        ("class_weight.0=1.0", "weights are computed from the counts"),
        ("train.batch-size=3", "did you mean train.batch_size?"),
        ("train.optimiser=sgd", "did you mean train.optimizer?"),
        ("train.class_weight={0: 1.0}", "weights are computed from the counts"),
        ("data.count=500", "did you mean data.demo_faces?"),
        ("data=my faces.csv", "found 'my faces.csv'; did you mean data.path=my faces.csv?"),
        ("network=residual", "did you mean network.kind=residual?"),
        ("network=resnet18", "did you mean network.kind=plain or residual or backbone?"),
        ("data.fold=2", "command line: data.fold: 2 of how many? set data.folds"),
    ],
)
def test_words_that_people_use_lead_to_the_key(override, expected):
    assert problems(None, override).count(expected) == 1


def test_a_key_that_does_not_exist_is_looked_for_where_it_was_written(write):
    path = write("data:\n  path: demo\n")
    assert "  command line: data.synthetic: no such key" in problems(path, "data.synthetic.count=3")
    assert "mine.yaml:3: data.colours: no such key" in problems(
        write("data:\n  path: demo\n  colours: 3\n"), "data.cache=true"
    )


@pytest.mark.parametrize(("switch", "off", "idle"), IDLE)
def test_a_key_that_another_one_turns_off_is_refused_where_somebody_gives_it(switch, off, idle):
    everything = flat(load_config(CONFIGS / "demo.yaml"))
    for key in idle.split():
        assert {switch, key} <= everything.keys()
        config = with_values(load_config(CONFIGS / "demo.yaml"), {switch: off})
        with pytest.raises(InputError, match=f"{key}: has no effect while {switch}="):
            refuse_idle(config, ["seed", key])
        refuse_idle(config, ["seed", switch])


@pytest.mark.parametrize("key", SYNTHETIC)
def test_keys_of_synthetic_faces_are_refused_beside_others(key):
    assert key in all_keys()
    others = load_config(CONFIGS / "demo.yaml", ["data.path=faces.csv"])
    refuse_idle(others, ["data.path"])
    with pytest.raises(InputError, match=rf"{key}: has no effect .* data\.path=faces\.csv"):
        refuse_idle(others, ["data.path", key])
    refuse_idle(load_config(CONFIGS / "demo.yaml"), [key])


def test_what_is_turned_off_may_stand_in_a_file():
    def asked(*words):
        return configured(config_parser("ferkeras.fit", "").parse_args(["--config", *words]))

    assert asked("demo", "schedule.smoothing_from_epoch=null").schedule.smoothing_over_epochs == 3
    with pytest.raises(InputError, match=r"no effect while schedule\.smoothing_from_epoch=null"):
        asked("fer2013-fast", "schedule.smoothing_end=0.3")


@pytest.mark.parametrize(
    "key", ["classes=[happy, sad]", "size=64", "color=true", "group_column=who", "votes=v.csv"]
)
def test_synthetic_faces_are_not_asked_to_be_others(key):
    name = key.partition("=")[0]
    text = problems(CONFIGS / "demo.yaml", f"data.{key}")
    assert f"command line: data.{name}: synthetic faces are 48 x 48" in text


def test_a_key_of_another_kind_of_network_is_not_proposed():
    text = problems(None, "network.kind=backbone", "network.conv_filters=3")
    assert "network.conv_filters: no such key" in text
    assert "network.filters" not in text


@pytest.mark.parametrize("override", ["foo=1", "train.mixup=0.2", "xyz.abc=1", "data.rows=[1]"])
def test_no_hint_is_better_than_a_wrong_one(override):
    text = problems(None, override)
    assert "no such key; see --help for all keys" in text
    assert "did you mean" not in text


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("fer2013.csv", "data.path=fer2013.csv"),
        ("mine.yaml", "--config mine.yaml"),
        ("fer2013-fast", "--config fer2013-fast"),
        ("train.epochs", "train.epochs=..."),
        ("faster", "expected section.key=value"),
    ],
)
def test_a_word_that_is_no_setting_is_told_where_it_goes(word, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert expected in problems(None, word)


def test_folders_go_where_they_belong(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    assert "data.path=faces" in problems(None, "faces")
    (tmp_path / "faces" / "config.yaml").write_text("")
    assert "--resume faces" in problems(None, "faces")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--epochs", "3"], "without dashes: train.epochs=3\n"),
        (["--batch-size=16"], "without dashes: train.batch_size=16\n"),
        (["--lr", "--name", "x"], "without dashes: train.learning_rate=...\n"),
        (["--data", "fer2013.csv"], "without dashes: data.path=fer2013.csv\n"),
        (["--train.epochs", "3"], "without dashes: train.epochs=3\n"),
        (["--patience", "3"], "no training is ended early"),
        (["--resum"], "unknown: --resum; did you mean --resume?\n"),
        (["-c", "fer2013"], "unknown: -c; did you mean --config?\n"),
        (["-x"], "unknown: -x\n"),
        (["--frobnicate"], "unknown: --frobnicate\n"),
    ],
)
def test_an_option_that_is_a_setting_is_told_so(arguments, expected, capsys):
    with pytest.raises(SystemExit) as ended:
        fit.main(arguments)
    assert ended.value.code == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "twice"),
    [
        (["train.epochs=3", "train.epochs=4"], "train.epochs"),
        (["--name", "a", "name=b"], "name"),
        (["train={epochs: 3}", "train.epochs=4"], "train and train.epochs"),
        (["train.epochs=3", "train={epochs: 4}"], "train.epochs and train"),
    ],
)
def test_a_key_given_twice_is_an_error(arguments, twice, capsys):
    assert fit.main(arguments) == 2
    assert capsys.readouterr().err == f"error: command line: {twice}: given twice; keep one\n"


# Configurations by name.


@pytest.mark.parametrize("text", ["fer2013-fast", "fer2013-fast.yaml", "configs/fer2013-fast.yaml"])
def test_a_configuration_that_comes_along_is_found_by_name(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(text) == CONFIGS / "fer2013-fast.yaml"


def test_a_file_goes_before_one_that_comes_along(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo.yaml").write_text("seed: 3\n")
    (tmp_path / "demo").mkdir()
    assert find_config("demo.yaml") == Path("demo.yaml")
    assert find_config("demo") == CONFIGS / "demo.yaml"


def test_an_unknown_configuration_lists_those_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my-faces.yaml").write_text("")
    (tmp_path / "fer2103.txt").write_text("")
    for text, meant in {"fer2103": "fer2013", "my-face.yaml": "my-faces.yaml"}.items():
        with pytest.raises(InputError) as caught:
            find_config(text)
        assert f"did you mean {meant}?" in str(caught.value)
        assert "demo, fer2013, fer2013-best" in str(caught.value)
    with pytest.raises(InputError) as caught:
        find_config("nothing/like/it.yaml")
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["ds #2", "12", "2024-01-01", "on", "[x].csv", "@x", "a: b", "{a}", "null.csv", "0.5"]
)
def test_a_path_on_the_command_line_is_taken_as_it_stands(path):
    config = load_config(None, [f"data.path={path}", f"data.votes={path}", "data.votes_as=soft"])
    assert (config.data.path, config.data.votes) == (path, path)


def test_quotes_around_a_text_and_null_are_yaml():
    config = load_config(None, ['data.path="a #b"', "name='2024'", "data.group_column=null"])
    assert (config.data.path, config.name, config.data.group_column) == ("a #b", "2024", None)


@given(st.integers(0, 10**6), st.integers(0, 3))
def test_a_whole_number_is_decimal_with_and_without_zeros_before_it(number, zeros):
    assert load_config(None, [f"seed={'0' * zeros}{number}"]).seed == number


@pytest.mark.parametrize("text", ["1:30", "0x10", "0b11", "2001-01-01"])
def test_what_is_read_in_two_ways_is_no_number(text):
    with pytest.raises(InputError, match="expected whole number"):
        load_config(None, [f"train.epochs={text}"])


@pytest.mark.parametrize(
    "override", ["train={epochs: abc}", "data.votes_as=soft", "data.votes=columns"]
)
def test_a_mistake_on_the_command_line_is_not_blamed_on_the_file(override):
    with pytest.raises(InputError) as error:
        load_config(CONFIGS / "demo.yaml", [override])
    assert "command line: " in str(error.value)
    assert "demo.yaml" not in str(error.value)


@given(st.text("0123456789+-.eEinfINFaxo_:#'\" ~,[]", max_size=12))
def test_a_text_stays_the_same_in_a_file_and_in_a_printed_command(text):
    assert read_value(yaml.safe_dump(text)) == text
    (word,) = shlex.split(as_arguments({"data.group_column": text}))
    assert read_override(word) == ("data.group_column", text)


@pytest.mark.parametrize("text", ["null", "Null", "NULL", "~"])
def test_no_value_is_written_as_in_a_file(text):
    assert load_config(None, [f"network.start_from={text}"]).network.start_from is None


@pytest.mark.parametrize(
    "value", ["{happy: [a], happy: [b]}", "{1: [a], '1': [b]}", "{a: {b: 1, b: 2}}"]
)
def test_a_key_given_twice_is_refused_wherever_it_stands(write, value):
    assert "stands twice" in problems(None, f"data.classes={value}")
    assert "stands twice" in problems(write(f"data:\n  classes: {value}\n"))


def test_classes_called_yes_and_no_keep_their_names():
    named = load_config(None, ["data.path=faces", "data.classes={yes: [happy], no: [sad, off]}"])
    assert named.data.classes == {"yes": ("happy",), "no": ("sad", "off")}
    for word in ("true", "null", "1.50", "~"):
        assert "stands in quotes" in problems(
            None, "data.path=faces", f"data.classes=[{word}, happy]"
        )
    assert load_config(None, ["data.path=faces", "data.classes=['true', 1]"]).data.classes == (
        "true",
        "1",
    )


@pytest.mark.parametrize("word", ["yes", "on", "true", "True"])
def test_yes_is_still_a_truth_value(word):
    assert load_config(None, [f"data.follow_symlinks={word}"]).data.follow_symlinks is True


def test_the_folder_of_runs_may_be_in_a_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert load_config(None, ["output.folder=~/runs"]).output.folder == "/home/ann/runs"
    assert load_config(None, ["output.folder=./runs/"]).output.folder == "./runs/"


def test_a_name_taken_from_the_file_says_so(tmp_path):
    path = tmp_path / "my faces.yaml"
    path.write_text("seed: 1\n")
    assert f"{path}, called so: name = my faces: expected" in problems(path)


def test_a_gate_without_a_ramp_has_no_effect():
    off = [f"schedule.{what}_from_epoch=null" for what in ("dropout", "smoothing")]
    given = ["schedule.gate_accuracy"]
    refuse_idle(load_config(None, off[:1]), given)
    with pytest.raises(InputError, match="has no effect while"):
        refuse_idle(load_config(None, off), given)
