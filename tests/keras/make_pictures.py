"""Writes tests/data/golden: small pictures, and what TensorFlow makes of them.

    build/keras-venv/bin/python tests/keras/make_pictures.py

NAME.jpg or .png, and NAME.jpg.CHANNELS.npy: decoded to so many channels, resized to 5 x 7
bilinearly, float32 from 0 to 255.
"""

import pathlib

import numpy as np
import tensorflow as tf

FOLDER = pathlib.Path(__file__).parent.parent / "data" / "golden"


def picture(channels):
    y, x = np.mgrid[0:12, 0:17].astype(np.float32)
    planes = [127 + 120 * np.sin(x / 3 + c) * np.cos(y / (2 + c)) for c in range(channels)]
    return np.stack(planes, -1).astype(np.uint8)


def write(name, file, channels):
    (FOLDER / name).write_bytes(file)
    for wanted in channels:
        if name.endswith(".jpg"):  # as Pillow decodes; TensorFlow's own default is less exact
            image = tf.io.decode_jpeg(file, channels=wanted, dct_method="INTEGER_ACCURATE")
        else:
            image = tf.io.decode_png(file, channels=wanted)
        resized = tf.image.resize(image, (5, 7), method="bilinear").numpy()
        np.save(FOLDER / f"{name}.{wanted}.npy", resized)


FOLDER.mkdir(exist_ok=True)
write("color.jpg", tf.io.encode_jpeg(picture(3), quality=90).numpy(), [1, 3])
write("grey.jpg", tf.io.encode_jpeg(picture(1), quality=90, format="grayscale").numpy(), [1, 3])
write("color.png", tf.io.encode_png(picture(3)).numpy(), [3])
write("grey.png", tf.io.encode_png(picture(1)).numpy(), [1, 3])
write("transparent.png", tf.io.encode_png(picture(4)).numpy(), [3])
