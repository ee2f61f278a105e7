"""The standard normal numbers that NumPy's ``default_rng(seed)`` draws, without NumPy.

SeedSequence and PCG64 (XSL-RR) in whole numbers; the ziggurat of 256 layers in floats, whose table is
computed here: a number differs from that of NumPy by 10⁻¹³ of its size at most.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction


def seeded_state(seed):
    """The state and the increment of PCG64 for a seed of 32 bits."""
    low = 2**32 - 1
    pool, key = [], 0x43B0D7E5

    def hashed(value):
        nonlocal key
        value ^= key
        key = key * 0x931E8875 & low
        value = value * key & low
        return value ^ value >> 16

    for word in (seed, 0, 0, 0):
        pool.append(hashed(word))
    for source, target in itertools.product(range(4), range(4)):
        if source != target:
            mixed = 0xCA01F9DD * pool[target] - 0x4973F715 * hashed(pool[source]) & low
            pool[target] = mixed ^ mixed >> 16
    key, words = 0x8B51F9DD, []
    for k in range(8):
        value = pool[k % 4] ^ key
        key = key * 0x58F38DED & low
        value = value * key & low
        words.append(value ^ value >> 16)
    a, b, c, d = (words[k] + words[k + 1] * 2**32 for k in (0, 2, 4, 6))
    increment = (c * 2**64 + d) * 2 + 1
    return next_state(increment + a * 2**64 + b, increment), increment


def next_state(state, increment):
    """One step of the generator."""
    return (state * 0x2360ED051FC65DA44385DF649FCCF645 + increment) % 2**128


def whole_numbers(seed):
    """Random numbers of 64 bits."""
    state, increment = seeded_state(seed)
    while True:
        state = next_state(state, increment)
        word, turn = (state >> 64) ^ state % 2**64, state >> 122
        yield (word >> turn | word << 64 - turn) % 2**64


def ziggurat():
    """The edges x₀, …, x₂₅₅ of Marsaglia and Tsang, x₀ being the virtual one of the tail, and their e^(−x²/2)."""
    r = 3.6541528853610087963519472518
    area = r * math.exp(-r * r / 2) + math.sqrt(math.pi / 2) * math.erfc(r / math.sqrt(2))
    x = [r]
    for _ in range(254):
        x.insert(0, math.sqrt(-2 * math.log(area / x[0] + math.exp(-x[0] * x[0] / 2))))
    return [area / math.exp(-r * r / 2), *x], [1.0, *(math.exp(-t * t / 2) for t in x)]


def normal_numbers(seed, count):
    """The first ``count`` numbers of ``default_rng(seed).standard_normal``, as fractions."""
    source, (x, f), found = whole_numbers(seed), ziggurat(), []

    def uniform():
        return (next(source) >> 11) / 2**53

    while len(found) < count:
        word = next(source)
        layer, sign, size = word & 255, -1 if word & 256 else 1, word >> 9 & 2**52 - 1
        value = size * (x[layer] / 2**52)
        inner = (x[layer - 1] if layer > 1 else 0.0) if layer else x[255]
        if size < int(inner / x[layer] * 2**52):
            found.append(sign * value)
        elif layer:
            if (f[layer - 1] - f[layer]) * uniform() + f[layer] < math.exp(-value * value / 2):
                found.append(sign * value)
        else:
            while True:
                beyond, height = -math.log1p(-uniform()) / x[255], -math.log1p(-uniform())
                if 2 * height > beyond * beyond:
                    break
            found.append((-1 if size & 256 else 1) * (x[255] + beyond))
    return [Fraction(e) for e in found]
