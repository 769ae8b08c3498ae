"""Writes tests/data/golden: small pictures, and what TensorFlow makes of them.

    build/keras-venv/bin/python tests/keras/make_pictures.py

NAME.jpg or .png, and NAME.jpg.CHANNELS.npy: decoded to so many channels, resized to 5 x 7
bilinearly, float32 from 0 to 255. Where Pillow decodes to 8 bits, it agrees, or this fails.
"""

import io
import pathlib
import struct
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image

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
        kept = Image.open(io.BytesIO(file))
        if name.endswith(".png") and kept.mode not in ("I;16", "I") and wanted == 3:
            assert np.array_equal(np.asarray(kept.convert("RGB")), image.numpy()), name
        resized = tf.image.resize(image, (5, 7), method="bilinear").numpy()
        np.save(FOLDER / f"{name}.{wanted}.npy", resized)


FOLDER.mkdir(exist_ok=True)
write("color.jpg", tf.io.encode_jpeg(picture(3), quality=90).numpy(), [1, 3])
write("grey.jpg", tf.io.encode_jpeg(picture(1), quality=90, format="grayscale").numpy(), [1, 3])
write("color.png", tf.io.encode_png(picture(3)).numpy(), [3])
write("grey.png", tf.io.encode_png(picture(1)).numpy(), [1, 3])
write("transparent.png", tf.io.encode_png(picture(4)).numpy(), [3])


# PNG as RFC 2083 has it, for what no library writes: 16 bits, gamma, Adam7's interlace.
def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
          (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # x, y and how far apart
COLORS = {1: 0, 2: 4, 3: 2, 4: 6}  # what PNG calls so many channels


def png(pixels, depth, interlaced=False, more=b""):
    height, width, channels = pixels.shape
    kind = 3 if b"PLTE" in more else COLORS[channels]
    rows = b""
    for x, y, dx, dy in PASSES if interlaced else [(0, 0, 1, 1)]:
        for row in pixels[y::dy, x::dx]:
            if row.size == 0:
                continue
            if depth < 8:
                bits = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - depth:]
                packed = np.packbits(bits.reshape(-1)).tobytes()
            else:
                packed = row.astype(">u2" if depth == 16 else np.uint8).tobytes()
            rows += b"\0" + packed
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more +
            chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def deep(channels):
    return picture(channels).astype(np.uint16) * 256 + np.arange(17, dtype=np.uint16)[:, None] * 15


GAMMA = chunk(b"gAMA", struct.pack(">I", 100000))
PALETTE = chunk(b"PLTE", bytes((i * 37 + 11) % 256 for i in range(3 * 16)))
write("deep.png", png(deep(3), 16), [3])
write("deep_grey.png", png(deep(1), 16), [1, 3])
write("deep_transparent.png", png(deep(4), 16, interlaced=True), [3])
write("deep_grey_transparent.png", png(deep(2), 16), [3])
write("gamma.png", png(picture(3), 8, interlaced=True, more=GAMMA), [3])
write("gamma_grey.png", png(picture(1), 8, more=GAMMA), [1])
write("bits.png", png(picture(1) // 64, 2, interlaced=True), [1, 3])
write("key.png", png(picture(3), 8, more=chunk(b"tRNS", b"\0\1\0\2\0\3")), [3])
write("palette.png",
      png(picture(1) // 16, 4, more=PALETTE + chunk(b"tRNS", bytes(range(0, 160, 10)))), [3])
