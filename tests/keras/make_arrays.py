"""Writes tests/data/golden/array*.npy: one array as numpy saves it in several ways.

    build/keras-venv/bin/python tests/keras/make_arrays.py

array.npy is float32, row by row; the others have the same numbers.
"""

import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent.parent / "data" / "golden"

array = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4) * 5 - 60
np.save(FOLDER / "array.npy", array)
np.save(FOLDER / "array_fortran.npy", np.asfortranarray(array))
np.save(FOLDER / "array_turned.npy", np.asfortranarray(array.astype(">i2")))
for dtype in (">f8", ">f2", ">i8", "<i4"):
    np.save(FOLDER / f"array_{'big' if dtype[0] == '>' else 'little'}_{dtype[1:]}.npy",
            array.astype(dtype))
