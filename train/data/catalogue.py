"""What the public sets are: official counts, who publishes them, under which terms, and how they are scored.

Counts are the publishers' (method.md section 8 of this project's reference has the same): faces, or videos of 300-VW.
Menpo's releases differ in theirs, so its counts are shown and compared with nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

IBUG_TERMS = "research only, no commercial use; photographs belong to their owners; cite the 300-W papers"


@dataclass(frozen=True)
class Dataset:
    """layout: what its faces have. parts: name of a split, subset or collection -> official count; None: not compared.

    needs: what its owners publish. protocol: crop and normaliser of its benchmark. recipe: that reproduces the paper,
    if it has one. unit: what the counts count. totals: name of a split -> the parts that make it up.
    """

    name: str
    layout: str
    parts: dict[str, int | None]
    owners: str
    needs: str
    terms: str
    protocol: str
    recipe: str = "mobile"
    unit: str = "faces"
    totals: dict[str, tuple[str, ...]] = field(default_factory=dict)


DATASETS = {
    d.name: d
    for d in (
        Dataset(
            "WFLW",
            "wflw-98",
            {
                "train": 7500, "test": 2500, "pose": 326, "expression": 314, "illumination": 698, "make-up": 206,
                "occlusion": 736, "blur": 773,
            },
            "https://wywu.github.io/projects/LAB/WFLW.html",
            "WFLW_images.tar.gz and WFLW_annotations.tar.gz, unpacked into one folder",
            "non-commercial research only; pictures are those of WIDER FACE",
            "crop gtbox (the paper's) or provided (the list's boxes); normaliser inter-ocular 60-72",
            "paper-wflw",
        ),
        Dataset(
            "300W",
            "300w-68",
            {
                "afw": 337, "helen/trainset": 2000, "lfpw/trainset": 811, "helen/testset": 330, "lfpw/testset": 224,
                "ibug": 135,
            },
            "https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/",
            "afw.zip, helen.zip, lfpw.zip, ibug.zip, unpacked into one folder",
            IBUG_TERMS,
            "crop gtbox; normaliser inter-ocular 36-45 (inter-pupil and box by --normaliser)",
            "paper-300w",
            totals={
                "= train": ("afw", "helen/trainset", "lfpw/trainset"),
                "= common": ("helen/testset", "lfpw/testset"),
                "= challenging": ("ibug",),
                "= full": ("helen/testset", "lfpw/testset", "ibug"),
            },
        ),
        Dataset(
            "300W private",
            "300w-68",
            {"01_indoor": 300, "02_outdoor": 300},
            "https://ibug.doc.ic.ac.uk/resources/300-W/",
            "300w.zip.001 to .004 with 01_Indoor and 02_Outdoor",
            IBUG_TERMS,
            "crop gtbox; normaliser inter-ocular 36-45",
            "paper-300w",
            totals={"= private": ("01_indoor", "02_outdoor")},
        ),
        Dataset(
            "300VW",
            "300w-68",
            {"train": 50, "category 1": 31, "category 2": 19, "category 3": 14},
            "https://ibug.doc.ic.ac.uk/resources/300-VW/",
            "300VW_Dataset_2015_12_14.zip, each vid.avi as pictures in frames/ beside annot/",
            IBUG_TERMS,
            "test by category; crop gtbox; normaliser inter-ocular 36-45",
            unit="videos",
        ),
        Dataset(
            "Menpo",
            "300w-68",
            {"semi-frontal": None, "profile": None},
            "https://ibug.doc.ic.ac.uk/resources/2nd-facial-landmark-tracking-competition-menpo-ben/",
            "the Menpo challenge's trainset",
            IBUG_TERMS,
            "profile faces have 39 points, which no layout here has; crop gtbox; normaliser inter-ocular 36-45",
        ),
        Dataset(
            "COFW",
            "cofw-29",
            {"train": 1345, "test": 507},
            "https://data.caltech.edu/records/20099",
            "COFW_color.zip with COFW_train_color.mat and COFW_test_color.mat",
            "research; cite Burgos-Artizzu, Perona, Dollar, ICCV 2013",
            "crop provided (its own boxes); normaliser inter-pupil 16-17; every point counts, occluded or not",
            "paper-cofw",
        ),
        Dataset(
            "COFW-68",
            "300w-68",
            {"test": 507},
            "https://github.com/golnazghiasi/cofw68-benchmark",
            "COFW68_Data/test_annotations, beside COFW's test file",
            "research; cite Ghiasi and Fowlkes, arXiv 1506.08347, and COFW",
            "a test set for networks of 300W; crop gtbox or provided; normaliser inter-ocular 36-45",
        ),
        Dataset(
            "AFLW-19",
            "aflw-19",
            {"train": 20000, "test": 4386, "frontal": 1314},
            "https://www.tugraz.at/institute/icg/research/team-bischof/lrs/downloads/aflw (pictures), "
            "http://mmlab.ie.cuhk.edu.hk/projects/compositional.html (points)",
            "the folder flickr beside AFLWinfo_release.mat",
            "non-commercial research only, on request to TU Graz",
            "crop provided (square boxes); normaliser box, the square's side",
        ),
        Dataset(
            "LSP",
            "lsp-14",
            {"train": 1000, "test": 1000},
            "http://sam.johnson.io/research/lsp.html",
            "lsp_dataset.zip with images/ and joints.mat",
            "research; photographs of Flickr belong to their owners; cite Johnson and Everingham, BMVC 2010",
            "crop gtbox; PCK@0.2 of the torso (left shoulder to right hip)",
            "paper-lsp",
        ),
        Dataset(
            "LSP extended",
            "lsp-14",
            {"train": 10000},
            "http://sam.johnson.io/research/lspet.html",
            "lspet_dataset.zip with images/ and joints.mat",
            "research; photographs of Flickr belong to their owners; cite Johnson and Everingham, CVPR 2011",
            "for training beside LSP; persons with an unlabelled joint are left out; crop gtbox",
            "paper-lsp",
        ),
    )
}  # fmt: skip

DRAWN, DRAWN_HEADS = "drawn", "drawn heads"  # the sources of faces that train.data.drawn draws
IMAGENET = "ImageNet"
# What the names of sources whose owners allow research only begin with, in any of their parts: the sets above, and
# those that are given out as plain pictures with .pts or COCO files.
_RESEARCH_ONLY = (
    "300vw", "300w", "afw", "aflw", "cofw", "helen", "ibug", "lfpw", "lsp", "menpo", "merl", "utkface", "wflw",
    "youtube", "ytf",
)  # fmt: skip


def is_research_only(source: str) -> bool | None:
    """Whether a source's owners allow research only, by its name such as ``lfpw/trainset``; None: not known here."""
    if source in (DRAWN, DRAWN_HEADS, IMAGENET):
        return False
    parts = re.split(r"[^a-z0-9]+", source.lower())
    return True if any(part.startswith(_RESEARCH_ONLY) for part in parts) else None
