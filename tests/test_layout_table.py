"""The table of layouts: what each is recognised as, how many faces it gives, what labels become.

A row here is a row of docs/how_to/layouts.md, and the other way round.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ferkeras.cli.errors import InputError
from ferkeras.data.faces import USAGES
from ferkeras.data.presets import affectnet, jaffe, kdef, rafdb
from ferkeras.data.presets.fer2013 import EMOTIONS
from ferkeras.data.presets.ferplus import VOTED_FOR
from ferkeras.data.read import read_faces
from ferkeras.data.wanted import Wanted

DOCS = Path(__file__).parents[1] / "docs/how_to/layouts.md"
RNG = np.random.default_rng(0)
SEVEN = dict.fromkeys(EMOTIONS, 1)


def picture(side: int = 32, suffix: str = "png") -> bytes:
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (side, side), np.uint8)).save(file, suffix)
    return file.getvalue()


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        suffix = {"jpg": "jpeg", "tif": "tiff"}.get(ending := name[-3:].lower(), ending)
        (root / name).write_bytes(picture(suffix={"iff": "tiff"}.get(suffix, suffix)))
    return root


def pixels(side: int = 48, between: str = " ") -> str:
    return between.join(map(str, RNG.integers(0, 256, side * side)))


def table(path: Path, header: str, *rows: str, before: tuple[str, ...] = ()) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*before, *([header] if header else []), *rows]), encoding="utf-8")
    return path


def fer2013(root: Path, classes: int = 7, name: str = "fer2013.csv") -> Path:
    usages = ("Training", "PublicTest", "PrivateTest")
    rows = [f"{label},{pixels()},{usage}" for usage in usages for label in range(classes)]
    return table(root / name, "emotion,pixels,Usage", *rows)


def zipped(root: Path) -> Path:
    with zipfile.ZipFile(root / "faces.zip", "w") as archive:
        for split in ("train", "test"):
            for name in ("happy", "sad"):
                archive.writestr(f"faces/{split}/{name}/1.png", picture())
    return root / "faces.zip"


def packed(root: Path) -> Path:
    with zipfile.ZipFile(root / "fer2013.csv.zip", "w") as archive:
        archive.write(fer2013(root), "fer2013.csv")
    return root / "fer2013.csv.zip"


def ferplus(root: Path) -> Path:
    """Eight faces with ten votes for each emotion, one whose votes disagree, one no face."""
    votes = [[10 * (place == each) for place in range(10)] for each in range(8)]
    votes += [[5, 5, *[0] * 8], [*[0] * 9, 10]]
    usages = ("Training",) * 8 + ("PublicTest",) * 2
    table(
        root / "fer2013new.csv",
        ",".join(("Usage", "Image name", *VOTED_FOR, "unknown", "NF")),
        *(f"{use},,{','.join(map(str, each))}" for use, each in zip(usages, votes, strict=True)),
    )
    return table(
        root / "fer2013.csv",
        "emotion,pixels,Usage",
        *(f"0,{pixels()},{usage}" for usage in usages),
    )


def rafdb_list(root: Path) -> Path:
    lines = [f"train_0000{label}.jpg {label}" for label in range(1, 8)] + ["test_00001.jpg 4"]
    table(root / "EmoLabel/list_patition_label.txt", "", *lines)
    aligned = (f"{line.split('.')[0]}_aligned.jpg" for line in lines)
    return put(root, *(f"Image/aligned/{name}" for name in aligned))


def affectnet_table(root: Path, codes: tuple[int, ...]) -> Path:
    put(root, *(f"{code}/{code}.jpg" for code in codes))
    return table(
        root / "training.csv",
        "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
        "valence,arousal",
        *(f"{code}/{code}.jpg,0,0,32,32,1;2,{code},0.1,0.2" for code in codes),
    )


def arrays(root: Path) -> Path:
    np.savez(
        root / "faces.npz",
        images=RNG.integers(0, 256, (6, 32, 32, 3), np.uint8),
        labels=[0, 1, 2] * 2,
        class_names=["happy", "sad", "own"],
    )
    return root / "faces.npz"


def arrays_of_splits(root: Path) -> Path:
    each = {"x": RNG.integers(0, 256, (4, 32, 32), np.uint8), "y": np.array(["anger", "joy"] * 2)}
    splits = ("train", "val", "test")
    np.savez(root / "a.npz", **{f"{k}_{split}": v for split in splits for k, v in each.items()})
    return root / "a.npz"


def array_beside_labels(root: Path) -> Path:
    np.save(root / "images.npy", RNG.integers(0, 256, (4, 32, 32), np.uint8))
    np.save(root / "labels.npy", np.array(["happy", "sad"] * 2))
    return root / "images.npy"


def hugging_face(root: Path) -> Path:
    names = {"info": {"features": {"label": {"names": ["sad", "happy"], "_type": "ClassLabel"}}}}
    for split in ("train", "test"):
        faces = pa.table(
            {"image": [{"bytes": picture(), "path": None} for _ in range(2)], "label": [0, 1]}
        ).replace_schema_metadata({"huggingface": json.dumps(names)})
        pq.write_table(faces, root / f"{split}-00000-of-00001.parquet")
    return root


def parquet_of_pixels(root: Path) -> Path:
    faces = {"emotion": list(range(7)), "pixels": [pixels() for _ in range(7)]}
    pq.write_table(pa.table(faces), root / "fer2013.parquet")
    return root / "fer2013.parquet"


@dataclass(frozen=True)
class Row:
    """A layout, made small.

    Attributes:
        make: puts it into an empty folder and says what `data.path` is.
        recognised: what it is said to be, with what became of its labels.
        faces: of each class, in the order of the classes.
        splits: faces of each split that the source names.
        people: how many are told apart; None where they are not.
        wanted: keys of `data`; of a path, its name beside the source.
    """

    make: Callable[[Path], Path]
    recognised: str
    faces: Mapping[str, int]
    splits: Mapping[str, int] = field(default_factory=dict)
    people: int | None = None
    wanted: Mapping[str, object] = field(default_factory=dict)


RENAMED = "1 is surprise, 2 is fear, 3 is disgust, 4 is happy, 5 is sad, 6 is angry, 7 is neutral"
CODES = "0 is angry, 1 is disgust, 2 is fear, 3 is happy, 4 is sad, 5 is surprise, 6 is neutral"
AFFECTNET = "0 is neutral, 1 is happy, 2 is sad, 3 is surprise, 4 is fear, 5 is disgust, 6 is angry"
OFFICIAL = {"train": 7, "validation": 7, "test": 7}
THREE = dict.fromkeys(EMOTIONS, 3)

ROWS = {
    "`fer2013.csv`": Row(
        fer2013, f"table of pixels (FER2013); 48 x 48 grey; {CODES}", THREE, OFFICIAL
    ),
    "`icml_face_data.csv`": Row(
        lambda root: table(
            root / "icml_face_data.csv",
            "emotion, Usage, pixels",
            *(f"{label}, Training, {pixels()}" for label in range(7)),
        ),
        f"table of pixels (FER2013); 48 x 48 grey; {CODES}",
        SEVEN,
        {"train": 7},
    ),
    "Kaggle's `train.csv`": Row(
        lambda root: table(
            root / "train.csv", "emotion,pixels", *(f'{n},"{pixels()}"' for n in range(7))
        ),
        f"table of pixels (FER2013); 48 x 48 grey; {CODES}",
        SEVEN,
    ),
    "a table in `.gz` or `.zip`": Row(
        packed, f"table of pixels (FER2013); 48 x 48 grey; {CODES}", THREE, OFFICIAL
    ),
    "FER2013 in class folders": Row(
        lambda root: put(
            root,
            *(f"train/{name}/Training_{n}.jpg" for n, name in enumerate(EMOTIONS)),
            *(f"test/{name}/PublicTest_{n}.jpg" for n, name in enumerate(EMOTIONS)),
            *(f"test/{name}/PrivateTest_{n}.jpg" for n, name in enumerate(EMOTIONS)),
        ),
        "class folders; 32 x 32 grey",
        THREE,
        OFFICIAL,
    ),
    "FER+": Row(
        ferplus,
        "table of pixels (FER2013); 48 x 48 grey; labels by the majority of votes; "
        "anger is angry, happiness is happy, sadness is sad; 2 of 10 faces left out: 1 without a "
        "face, 1 without a majority",
        {**SEVEN, "contempt": 1},
        {"train": 8},
        wanted={"votes": "fer2013new.csv", "votes_as": "filter"},
    ),
    "RAF-DB's list": Row(
        rafdb_list,
        f"RAF-DB's list; 32 x 32 grey; {RENAMED}",
        {**SEVEN, "happy": 2},
        {"train": 7, "test": 1},
    ),
    "RAF-DB in class folders": Row(
        lambda root: put(
            root, *(f"train/{n}/train_0000{n}_aligned.jpg" for n in rafdb.PRESET.names)
        ),
        f"RAF-DB's class folders, by its file names; 32 x 32 grey; {RENAMED}",
        SEVEN,
        {"train": 7},
    ),
    "AffectNet (7)": Row(
        partial(affectnet_table, codes=(0, 1, 2, 3, 4, 5, 6, 8, 9, 10)),
        f"AffectNet's table; 32 x 32 grey; {AFFECTNET}; left out: 8, 9, 10",
        SEVEN,
    ),
    "AffectNet (8)": Row(
        partial(affectnet_table, codes=tuple(range(11))),
        f"AffectNet's table; 32 x 32 grey; {AFFECTNET}, 7 is contempt; left out: 8, 9, 10",
        {**SEVEN, "contempt": 1},
    ),
    "AffectNet in class folders": Row(
        lambda root: put(root, *(f"train_class/{n}/image{n}.jpg" for n in range(8))),
        f"class folders; 32 x 32 grey; {AFFECTNET}, 7 is contempt",
        {**SEVEN, "contempt": 1},
        wanted={"classes": "affectnet8"},
    ),
    "`ckextended.csv`": Row(
        partial(fer2013, classes=8, name="ckextended.csv"),
        "table of pixels (CK+ with FER2013's numbers); 48 x 48 grey; " + CODES + ", 7 is contempt",
        {**THREE, "contempt": 3},
        {"train": 8, "validation": 8, "test": 8},
    ),
    "CK+ in class folders": Row(
        lambda root: put(
            root,
            *(
                f"{name}/S{who:03}_001_0000001{who}.png"
                for name in ("anger", "contempt")
                for who in range(3)
            ),
        ),
        "CK+'s class folders, people by its file names; 32 x 32 grey; anger is angry",
        {"angry": 3, "contempt": 3},
        people=3,
    ),
    "KDEF": Row(
        lambda root: put(
            root,
            *(
                f"{who}/{who}{what}S.JPG"
                for who in ("AF01", "AM02", "BM03")
                for what in kdef.EMOTION_OF
            ),
        ),
        "KDEF, by its file names; 32 x 32 grey",
        THREE,
        people=3,
    ),
    "JAFFE": Row(
        lambda root: put(
            root,
            *(
                f"{who}.{what}1.{n}.tiff"
                for n, who in enumerate(("KA", "KL", "KM"))
                for what in jaffe.EMOTION_OF
            ),
        ),
        "JAFFE, by its file names; 32 x 32 grey",
        THREE,
        people=3,
    ),
    "a list of pictures": Row(
        lambda root: table(
            put(root, "images/a.jpg", "images/b.jpg", "images/c.png") / "legend.csv",
            "image,emotion,person",
            "a.jpg,HAPPINESS,ann",
            "b.jpg,happiness,bob",
            "c.png,Anger,ann",
        ),
        "list of picture files; 32 x 32 grey; Anger is angry, HAPPINESS is happy, happiness is "
        "happy",
        {"angry": 1, "happy": 2},
        people=2,
    ),
    "class folders": Row(
        lambda root: put(root, "Fearful/1.png", "awake/1.png", "tired/1.png", "tired/2.png"),
        "class folders; 32 x 32 grey; Fearful is fear",
        {"fear": 1, "awake": 1, "tired": 2},
    ),
    "class folders in others": Row(
        lambda root: put(
            root,
            *(
                f"mine/images/{split}/{name}/1.png"
                for split in ("train_set", "FER2013Valid", "testing")
                for name in ("0_anger", "1_happy")
            ),
        ),
        "class folders; 32 x 32 grey; anger is angry",
        {"angry": 3, "happy": 3},
        {"train": 2, "validation": 2, "test": 2},
    ),
    "folders of people": Row(
        lambda root: put(
            root,
            *(f"{name}/ann-{n}/1.png" for name in ("eyes open", "eyes shut") for n in range(3)),
        ),
        "class folders with a folder for each person; 32 x 32 grey",
        {"eyes open": 3, "eyes shut": 3},
        people=3,
    ),
    "a zipped folder": Row(
        zipped,
        "class folders; 32 x 32 grey",
        {"happy": 2, "sad": 2},
        {"train": 2, "test": 2},
    ),
    "any table of pixels": Row(
        lambda root: table(
            root / "faces.tsv",
            "label\tsplit\tsubject\tpixels",
            *(
                f"{name}\t{split}\t{split}\t[{pixels(32, ', ')}]"
                for name in ("joy", "own")
                for split in ("train", "val")
            ),
        ),
        "table of pixels; 32 x 32 grey; joy is happy",
        {"happy": 2, "own": 2},
        {"train": 2, "validation": 2},
        people=2,
    ),
    "a column a pixel": Row(
        lambda root: table(
            root / "wide.csv",
            ",".join(("sad", "happy", *(f"pixel{n}" for n in range(1024)))),
            f"1,0,{pixels(32, ',')}",
            f"0,1,{pixels(32, ',')}",
        ),
        "table of pixels; 32 x 32 grey",
        {"happy": 1, "sad": 1},
    ),
    "`.npz`": Row(arrays, "arrays; 32 x 32 colour", {"happy": 2, "sad": 2, "own": 2}),
    "`.npz` of splits": Row(
        arrays_of_splits,
        "arrays; 32 x 32 grey; anger is angry, joy is happy",
        {"angry": 6, "happy": 6},
        {"train": 4, "validation": 4, "test": 4},
    ),
    "`.npy`": Row(array_beside_labels, "arrays; 32 x 32 grey", {"happy": 2, "sad": 2}),
    "Parquet of pictures": Row(
        hugging_face,
        "Parquet table of pictures; 32 x 32 grey",
        {"happy": 2, "sad": 2},
        {"train": 2, "test": 2},
    ),
    "Parquet of pixels": Row(
        parquet_of_pixels, f"Parquet table of pixels; 48 x 48 grey; {CODES}", SEVEN
    ),
}


def read(row: Row, root: Path):
    path = row.make(root)
    wanted = dict(row.wanted)
    if "votes" in wanted:
        wanted["votes"] = str(root / str(wanted["votes"]))
    return read_faces(path, Wanted(**wanted), cache=False)


@pytest.mark.parametrize("layout", ROWS)
def test_layout_is_recognised_and_read(layout, tmp_path):
    row = ROWS[layout]
    found = read(row, tmp_path)
    assert found.recognised == row.recognised
    assert found.faces.classes.names == tuple(row.faces)
    assert found.faces.counts().tolist() == list(row.faces.values())
    splits = Counter(USAGES[usage] for usage in found.usage.tolist())
    assert splits == (row.splits or {"": len(found.faces)})
    people = None if found.groups is None else len(np.unique(found.groups))
    assert people == row.people


def test_class_indices_that_no_layout_names_are_asked_for(tmp_path):
    row = ROWS["AffectNet in class folders"]
    with pytest.raises(InputError) as caught:
        read_faces(row.make(tmp_path), cache=False)
    for preset in (affectnet.EIGHT, affectnet.SEVEN):
        assert f"data.classes={preset.key} ({preset.title}: {preset.mapping()})" in str(
            caught.value
        )


def test_the_page_has_these_rows_and_says_what_is_said():
    lines = DOCS.read_text("utf-8").splitlines()
    rows = [re.split(r" *\| *", line.strip("| ")) for line in lines if line.startswith("| ")][1:]
    rows = [row for row in rows if not set(row[0]) <= {"-"}]
    assert [row[0] for row in rows] == list(ROWS)
    for name, _, said, _ in rows:
        assert ROWS[name].recognised.startswith(f"{said.strip('`')}; "), name
