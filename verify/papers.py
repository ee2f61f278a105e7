"""The papers on trial."""

from verify.claim import Paper

KB19 = Paper(
    "KB19",
    "Kawaguchi & Bengio (2019), Depth with nonlinearity creates no bad local minima in ResNets",
)

LK17 = Paper("LK17", "Lu & Kawaguchi (2017), Depth creates no bad local minima")
