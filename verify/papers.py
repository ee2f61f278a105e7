"""The papers on trial."""

from verify.claim import Paper

KB19 = Paper(
    "KB19",
    "Kawaguchi & Bengio (2019), Depth with nonlinearity creates no bad local minima in ResNets",
)

LK17 = Paper("LK17", "Lu & Kawaguchi (2017), Depth creates no bad local minima")

KHK19B = Paper(
    "KHK19b",
    "Kawaguchi, Huang & Kaelbling (2019), Every local minimum value is the global minimum value of induced "
    "model in nonconvex machine learning",
)

NH17 = Paper("NH17", "Nguyen & Hein (2017), The loss surface of deep and wide neural networks")
