"""Models as recipes: what a seed gave (random_models.py), and what can be made smaller.

A recipe is JSON:

    inputs       shapes without the batch; "classes": whole numbers from 0, below this
    layers       {"class", "config", "trainable"}; a model is {"class", "recipe", "trainable"}
    calls        [layer, [value, ...]]: values are numbered, the inputs first, then what calls give
    outputs      values
    tasks        a loss and its weight for each output
    optimizer    as Keras writes it
    batch        samples
    sequential   whether it is a Sequential, where its calls are one behind the other
"""
import copy

import keras
import numpy as np

from random_layers import NOISE


def layer_name(i, layer):
    return f"{layer['class'].lower()}_{i}"


def make_layer(layer, name):
    if "recipe" in layer:
        made = make_model(layer["recipe"], name, layer["class"] == "Sequential")
    else:
        config = dict(layer["config"])
        if isinstance(config.get("activation"), dict):
            config["activation"] = keras.layers.deserialize(config["activation"])
        made = getattr(keras.layers, layer["class"])(**config, name=name)
    if not layer["trainable"]:
        made.trainable = False
    return made


def is_chain(recipe):
    """Each layer takes what the one before it gives."""
    return len(recipe["inputs"]) == 1 and recipe["outputs"] == [len(recipe["calls"])] and all(
        call == [i, [i]] for i, call in enumerate(recipe["calls"]))


def make_model(recipe, name="model", sequential=False):
    values = [keras.layers.Input(i["shape"], name=f"x{n}",
                                 dtype="int32" if i.get("classes", 0) % 2 else None)
              for n, i in enumerate(recipe["inputs"])]
    layers = [make_layer(layer, layer_name(i, layer)) for i, layer in enumerate(recipe["layers"])]
    if sequential or recipe.get("sequential") and is_chain(recipe):
        return keras.Sequential([values[0], *layers], name=name)
    inputs = list(values)
    for layer, sources in recipe["calls"]:
        sources = [values[i] for i in sources]
        values.append(layers[layer](sources if len(sources) > 1 else sources[0]))
    outputs = [values[i] for i in recipe["outputs"]]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0],
                       outputs if len(outputs) > 1 else outputs[0], name=name)


def draws(recipe):
    """Whether it draws in training mode: only inference can be compared."""
    return any(draws(layer["recipe"]) if "recipe" in layer
               else layer["class"] in NOISE and layer["config"].get("rate", 1) > 0
               for layer in recipe["layers"])


def loss_name(task):
    """In one spelling, of both forms."""
    name = task["loss"] if isinstance(task["loss"], str) else task["loss"]["class_name"]
    return {"mse": "MeanSquaredError", "mae": "MeanAbsoluteError"}.get(
        name, name.title().replace("_", "") if "_" in name else name)


def arrays(recipe, seed):
    """Weights (as model.set_weights() takes them), x and y."""
    rng = np.random.default_rng([seed, 77])
    model = make_model(recipe)
    weights = []
    for weight in model.weights:
        size = 1.2 / np.sqrt(max(1, np.prod(weight.shape[:-1]))) if len(weight.shape) > 1 else 0.6
        low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -size
        weights.append(rng.uniform(low, low + 2 * size, weight.shape).astype("float32"))
    batch = recipe["batch"]
    x = [rng.integers(0, i["classes"], (batch, *i["shape"])).astype("float32")
         if i.get("classes") else rng.uniform(-1, 1, (batch, *i["shape"])).astype("float32")
         for i in recipe["inputs"]]
    y = []
    for task, output in zip(recipe["tasks"], model.outputs):
        shape = (batch, *output.shape[1:])
        name = loss_name(task)
        classes = rng.integers(0, shape[-1], shape[:-1])
        if name == "SparseCategoricalCrossentropy":
            value = classes
        elif name.startswith("Categorical") and "Cosine" not in name:
            value = np.eye(shape[-1])[classes]
        elif name in ("Hinge", "SquaredHinge"):
            value = 2 * rng.integers(0, 2, shape) - 1
            value.flat[0] = -1  # only 0 and 1 mean -1 and 1 to Keras
        elif name.startswith("Binary"):
            value = rng.integers(0, 2, shape)
        else:
            value = rng.uniform(0.1, 1, shape)
            if name == "KLDivergence":
                value /= value.sum(-1, keepdims=True)
        y.append(np.asarray(value, "float32"))
    return weights, x, y


# --- Smaller -----------------------------------------------------------------------------------


def without_unused(recipe):
    """Without calls that lead to no output, layers that are not called, and inputs nobody reads."""
    recipe = copy.deepcopy(recipe)
    inputs, needed = len(recipe["inputs"]), set(recipe["outputs"])
    for i in range(len(recipe["calls"]) - 1, -1, -1):
        if inputs + i in needed:
            needed.update(recipe["calls"][i][1])
    values = sorted(needed)
    number = {old: new for new, old in enumerate(values)}
    kept = [recipe["calls"][i - inputs] for i in values if i >= inputs]
    layers = sorted({layer for layer, _ in kept})
    recipe["calls"] = [[layers.index(layer), [number[i] for i in sources]]
                       for layer, sources in kept]
    recipe["layers"] = [recipe["layers"][i] for i in layers]
    recipe["inputs"] = [recipe["inputs"][i] for i in values if i < inputs]
    recipe["outputs"] = [number[i] for i in recipe["outputs"]]
    return recipe


def shapes_of(recipe):
    values = [keras.layers.Input(i["shape"]) for i in recipe["inputs"]]
    layers = [make_layer(layer, None) for layer in recipe["layers"]]
    for layer, sources in recipe["calls"]:
        sources = [values[i] for i in sources]
        values.append(layers[layer](sources if len(sources) > 1 else sources[0]))
    return [list(value.shape[1:]) for value in values]


def smaller(recipe):
    """Recipes with less in them, those with much less first."""
    mse = {"loss": "mse", "weight": 1.0}
    inputs = len(recipe["inputs"])

    def changed(**changes):
        return without_unused({**copy.deepcopy(recipe), **changes})

    for value in range(inputs, inputs + len(recipe["calls"])):
        if recipe["outputs"] != [value]:
            yield changed(outputs=[value], tasks=[mse])
    for i in range(len(recipe["outputs"])):
        if len(recipe["outputs"]) > 1:
            yield changed(outputs=recipe["outputs"][:i] + recipe["outputs"][i + 1:],
                          tasks=recipe["tasks"][:i] + recipe["tasks"][i + 1:])
    # An input in place of what a call gives, or of what it takes.
    shapes = shapes_of(recipe)
    for value in range(inputs + len(recipe["calls"]) - 1, inputs - 1, -1):
        def moved(i, value=value):
            return inputs if i == value else i + (i >= inputs)
        calls = [[layer, [moved(i) for i in sources]] for layer, sources in recipe["calls"]]
        if value not in recipe["outputs"]:
            yield changed(inputs=[*recipe["inputs"], {"shape": shapes[value]}], calls=calls,
                          outputs=[moved(i) for i in recipe["outputs"]])
        for source in recipe["calls"][value - inputs][1]:
            if shapes[source] == shapes[value] and value not in recipe["outputs"]:
                calls = [[layer, [source if i == value else i for i in sources]]
                         for layer, sources in recipe["calls"]]
                yield changed(calls=calls)
    sgd = {"class_name": "SGD", "config": {"learning_rate": 0.125}}
    if recipe["optimizer"] != sgd:
        yield changed(optimizer=sgd)
        for key in recipe["optimizer"]["config"]:
            config = {k: v for k, v in recipe["optimizer"]["config"].items() if k != key}
            yield changed(optimizer={**recipe["optimizer"], "config": config})
    for i, task in enumerate(recipe["tasks"]):
        for other in ({**task, "weight": 1.0}, mse):
            if other != task:
                yield changed(tasks=recipe["tasks"][:i] + [other] + recipe["tasks"][i + 1:])
    for i, layer in enumerate(recipe["layers"]):
        others = [{**layer, "trainable": True}] if not layer["trainable"] else []
        if "config" in layer:
            others += [{**layer, "config": {k: v for k, v in layer["config"].items() if k != key}}
                       for key in layer["config"]]
        for other in others:
            yield changed(layers=recipe["layers"][:i] + [other] + recipe["layers"][i + 1:])
    if recipe["batch"] > 2:
        yield changed(batch=2)
