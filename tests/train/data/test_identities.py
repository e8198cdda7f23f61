"""Who is who: a person on both sides of a split makes every figure of it too good, and nobody sees it."""

import pytest

from edgewing.errors import InputError
from tests.train.data.folders import write_faces
from train import __main__ as train
from train import data

STEMS = [f"{number:05d}" for number in range(6)]


def table(rows: str = "", head: str = "name,person", form: str = "{},{}") -> str:
    """Six pictures of two persons."""
    return "\n".join([head, *(form.format(stem, f"person{i // 3}") for i, stem in enumerate(STEMS))]) + rows + "\n"


def groups(folder):
    return {sample.image.stem: sample.group for sample in data.read_samples(folder, "300w-68").samples}


def test_near_duplicates_are_one_group(tmp_path):
    write_faces(tmp_path / "lfpw/trainset", ["image_1", "image_2", "image_3", "image_3_mirror"])
    (tmp_path / "lfpw/trainset_near_duplicates.txt").write_text("image_1 image_3\n\n")
    found = groups(tmp_path / "lfpw/trainset")
    assert found["image_1"] == found["image_3"] == found["image_3_mirror"] != found["image_2"]
    (tmp_path / "lfpw/trainset_near_duplicates.txt").rename(tmp_path / "lfpw/other_near_duplicates.txt")
    found = groups(tmp_path / "lfpw/trainset")
    assert found["image_1"] != found["image_3"] == found["image_3_mirror"]


def test_frames_of_a_person_are_one_group_across_train_and_test(tmp_path):
    write_faces(tmp_path / "ytf/train", ["Ann_Lee_01", "Ann_Lee_12t", "Bo_01"])
    write_faces(tmp_path / "ytf/test", ["Ann_Lee_30"])
    (tmp_path / "ytf/frames.csv").write_text("name,person,split\nAnn_Lee_01,Ann_Lee,train\n")
    found = groups(tmp_path / "ytf/train")
    assert found["Ann_Lee_01"] == found["Ann_Lee_12t"] != found["Bo_01"]
    assert groups(tmp_path / "ytf/test")["Ann_Lee_30"] == found["Ann_Lee_01"]


def test_one_shoot_of_flickr_is_one_group(tmp_path):
    write_faces(tmp_path, ["100040721_1", "100040721_2", "100049000_1", "100058000_1", "200040721_1"])
    found = groups(tmp_path)
    assert len({found[stem] for stem in found if stem.startswith("1000")}) == 1
    assert len(set(found.values())) == 2


@pytest.mark.parametrize(
    "content",
    [
        table().encode(),
        table().encode("utf-8-sig"),
        table().encode("utf-16"),
        table(head="Name;Person", form="{};{}").encode("utf-8-sig"),
        table(head="sep=;\nname;person", form="{};{}").replace("\n", "\r\n").encode(),
        table(head=" NAME \tPERSON", form="{}\t{}").encode(),
        table(head="split,name,person", form="train,{}.jpg,{}").encode(),
        table(head="name,person", form='"{}.PNG", {} ').encode(),
        table(form="./images/{}.png,{}").encode(),
        table(form=".\\{}.png,{}").encode(),
    ],
)
def test_a_table_of_persons_as_spreadsheets_write_it(tmp_path, content):
    write_faces(tmp_path / "set", STEMS)
    (tmp_path / "set/frames.csv").write_bytes(content)
    found = groups(tmp_path / "set")
    assert len({found[stem] for stem in STEMS[:3]}) == len({found[stem] for stem in STEMS[3:]}) == 1
    assert len(set(found.values())) == 2
    summary = data.read_samples(tmp_path / "set", "300w-68").summary
    assert "frames.csv names 6 of 6 pictures (6 names in it)" in summary[-1]


def test_tables_are_called_in_any_capitals(tmp_path):
    write_faces(tmp_path / "set", STEMS)
    (tmp_path / "set/Frames.CSV").write_text(table())
    (tmp_path / "Set_Near_Duplicates.TXT").write_text("00000 00005\n")
    (tmp_path / "set/._near_duplicates.txt").write_bytes(b"\0\5\x16\7")  # what a Mac packs beside each file
    assert len(set(groups(tmp_path / "set").values())) == 1


def test_accents_and_capitals_of_names(tmp_path):
    write_faces(tmp_path / "set", ["Zoe\u0308_1", "IMG_2", "c"])
    for encoding in ("utf-8", "utf-16", "cp1252"):
        content = "name,person\nZo\u00eb_1,zoe\nimg_2.JPG,zoe\nc,c\n"
        (tmp_path / "set/frames.csv").write_bytes(content.encode(encoding))
        found = groups(tmp_path / "set")
        assert found["Zoe\u0308_1"] == found["IMG_2"] == "set:zoe" != found["c"]


@pytest.mark.parametrize(
    "content, words",
    [
        (table().replace("0000", "x"), "names none of 6 pictures (it has 'x0', a picture is '00005')"),
        ("name,person\n", "names none of 6 pictures (it has no names)"),
        ("file,who\n00000,a\n", "frames.csv:1: columns 'file,who', expected name and person"),
        (table("\n00001,person9"), "frames.csv:8: '00001' a second time, as 'person9' and not 'person0'"),
    ],
)
def test_a_table_that_says_nothing_of_the_pictures_is_one_line(tmp_path, capsys, content, words):
    write_faces(tmp_path / "set", STEMS)
    (tmp_path / "set/frames.csv").write_text(content)
    for arguments in (["data", "check"], ["fit", "--run", str(tmp_path / "run"), "--cache", str(tmp_path / "cache")]):
        with pytest.raises(SystemExit) as end:
            train.main([*arguments, str(tmp_path / "set")])
        error = capsys.readouterr().err
        assert end.value.code == 2 and words in error and error.count("\n") == 1


def test_a_folder_a_person_is_a_group_a_folder(tmp_path):
    for person in ("ann", "bo", "cy"):
        write_faces(tmp_path / "all" / person, ["0000", "0001"])
    found = {(s.image.parent.name, s.group) for s in data.read_samples(tmp_path / "all", "300w-68").samples}
    assert found == {("ann", "all:ann"), ("bo", "all:bo"), ("cy", "all:cy")}
    above = {s.group for s in data.read_samples(tmp_path, "300w-68").samples}  # one level up the same persons are found
    assert len(above) == 3
    (tmp_path / "all/frames.csv").write_text("name,person\nann/0000.png,x\nbo/0000.png,x\n")
    listed = data.read_samples(tmp_path / "all", "300w-68").samples
    by_table = {(s.image.parent.name, s.image.stem): s.group for s in listed}
    assert by_table["ann", "0000"] == by_table["bo", "0000"] == "all:x"
    assert by_table["ann", "0001"] == "all:ann" and by_table["cy", "0000"] == "all:cy"


def test_a_person_in_several_folders_is_one(tmp_path):
    for place in ("train/ann/monday", "train/ann/sunday", "train/bo", "test/bo"):
        write_faces(tmp_path / "set" / place, ["0000"])
    train_split = {s.group for s in data.read_samples(tmp_path / "set", "300w-68").samples}
    assert train_split == {"set:ann", "set:bo"}
    assert [s.group for s in data.read_samples(tmp_path / "set/test", "300w-68").samples] == ["set:0000"]
    assert [s.group for s in data.read_samples(tmp_path / "set", "300w-68", "test").samples] == ["set:bo"]


def test_folders_that_are_no_persons(tmp_path):
    """Splits, known collections, one folder alone: there every name is a group."""
    for number, place in enumerate(("afw", "ibug", "Menpo/profile", "Menpo/front", "lfpw/trainset")):
        write_faces(tmp_path / "300W" / place, [f"a{number}", f"b{number}"])
    found = data.read_samples(tmp_path / "300W", "300w-68").samples
    assert len({s.group for s in found}) == len(found)
    write_faces(tmp_path / "own/own/train", ["a", "b"])
    write_faces(tmp_path / "own/own/val", ["c"])
    listings = (data.read_samples(tmp_path / "own", "300w-68", split) for split in ("train", "val"))
    found = [s.group for listing in listings for s in listing.samples]
    assert found == ["own:a", "own:b", "own:c"]


def test_dates_of_phones_are_no_shoots(tmp_path):
    write_faces(tmp_path / "set", ["20230101_101010", "20230102_111213"])
    assert len(set(groups(tmp_path / "set").values())) == 2


def test_lists_of_near_duplicates_however_they_are_written(tmp_path):
    write_faces(tmp_path / "set", ["a", "b", "c", "d", "e"])
    for content in (b"a b\nb c\n", b"\xef\xbb\xbfa.jpg;b.jpg\nB;C\n", b"b, c\r\na\tb\r\n"):
        (tmp_path / "set/near_duplicates.txt").write_bytes(content)
        found = groups(tmp_path / "set")
        assert found["a"] == found["b"] == found["c"] and len(set(found.values())) == 3
    (tmp_path / "set/near_duplicates.txt").write_text("x1 x2\n")
    with pytest.raises(InputError, match="near_duplicates.txt: names none of 5 pictures"):
        groups(tmp_path / "set")


def test_duplicates_of_two_persons_make_their_persons_one(tmp_path):
    """Else a third picture of either is on the other side of the split."""
    write_faces(tmp_path / "set", STEMS)
    (tmp_path / "set/frames.csv").write_text(table())
    assert len(set(groups(tmp_path / "set").values())) == 2
    (tmp_path / "set/near_duplicates.txt").write_text("00001 00004\n")
    assert len(set(groups(tmp_path / "set").values())) == 1
