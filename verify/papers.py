"""The papers on trial."""

from verify.claim import Paper

KB19 = Paper(
    "KB19",
    "Kawaguchi & Bengio (2019), Depth with nonlinearity creates no bad local minima in ResNets",
)
