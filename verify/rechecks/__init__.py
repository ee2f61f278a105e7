"""Second opinions: refutations decided again with Python's standard library alone.

A recheck takes the JSON of an instance and says whether it refutes a sentence. Its source is printed under the
counterexample with what it calls in this package, and there nothing else is at hand but ``Fraction``, ``json``,
``math`` and ``itertools``. ``verify.rechecks.kb19_lemmas`` serves ``verify/test_kb19_lemmas.py``, and so on; what
several need is beside them: ``linear_algebra``, ``irrational``, ``polynomials``, ``jets``, ``losses``, ``networks``, …
A name means one thing in the whole package, so that a page can show it once.
"""
