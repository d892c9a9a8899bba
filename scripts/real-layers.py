"""Writes test/golden/real/layers.json: layers of the sizes that real networks have, and PyTorch's float64 answers.

Needs numpy and PyTorch: OMP_NUM_THREADS=1 python scripts/real-layers.py [words of names]. With words, only the cases
whose names contain one are made again; the others stay. test/golden/README.md states the format and the formulas.
"""

import json
import math
import pathlib
import sys
import zlib

import numpy as np
import torch
from torch import nn

TARGET = pathlib.Path(__file__).parent.parent / "test" / "golden" / "real" / "layers.json"
SAMPLES = 6
DOTS = 3
# ReLU and the largest of a window have kinks. No float32 computation may end on their other side than float64's.
MARGIN = 1e-6


# ---------- the formulas that both sides share


def mixed(h):
    """lowbias32 (Wellons): a bijection of the 32-bit integers; of an array, or of one number."""
    h = np.asarray(h, dtype=np.uint32)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    return h ^ (h >> np.uint32(16))


def hashes(start, stop, seed):
    with np.errstate(over="ignore"):
        return mixed(np.arange(start, stop, dtype=np.uint32) + mixed(np.uint32(seed)))


def drawn(shape, seed, scale=1, offset=0, below=None):
    h = hashes(0, math.prod(shape), seed)
    if below is not None:
        return torch.from_numpy((h % np.uint32(below)).astype(np.int64).reshape(shape))
    values = offset + scale * ((h >> np.uint32(8)).astype(np.float64) / 2**23 - 1)
    return torch.from_numpy(values.astype(np.float32).reshape(shape))


def sampled(n):
    return [0, n - 1, *(int(h) % n for h in hashes(0, SAMPLES - 2, 2))]


def projected(values):
    sums = np.zeros(DOTS)
    for start in range(0, values.size, 1 << 22):
        part = values[start : start + (1 << 22)]
        h = hashes(start, start + part.size, 1)
        for j in range(DOTS):
            signs = 1 - 2 * ((h >> np.uint32(31 - j)) & np.uint32(1)).astype(np.float64)
            sums[j] += signs @ part
    return sums / math.sqrt(values.size)


# ---------- the cases

CASES = []


def case(name, kind, x, *, quick=False, draw=None, **options):
    """`x`: the input's shape; `draw`: its scale and offset, or what integers are below; `options`: the library's."""
    CASES.append({"name": name, "kind": kind, "quick": quick, "x": x, "draw": draw or {"scale": 2}, "options": options})


def cases():
    bare = {"useBias": False}
    relued = {"scale": 0.5, "offset": 0.5}

    case("ViT-B/16 patches", "conv2d", [2, 3, 224, 224], channels=768, kernelSize=16, strides=16)
    case("ViT-Ti/16 patches", "conv2d", [1, 3, 224, 224], channels=192, kernelSize=16, strides=16, quick=True)
    case("CLIP-B/32 patches", "conv2d", [1, 3, 224, 224], channels=768, kernelSize=32, strides=32, **bare, quick=True)
    case("ConvNeXt stem", "conv2d", [2, 3, 224, 224], channels=96, kernelSize=4, strides=4)
    case(
        "ConvNeXt depthwise 7x7", "conv2d", [2, 96, 56, 56],
        channels=96, kernelSize=7, padding=3, groups=96, quick=True,
    )
    case("ConvNeXt downsampling", "conv2d", [2, 96, 56, 56], channels=192, kernelSize=2, strides=2)
    case("ResNet stem", "conv2d", [2, 3, 224, 224], channels=64, kernelSize=7, strides=2, padding=3, **bare)
    case("ResNet-50 1x1 expansion", "conv2d", [2, 512, 7, 7], channels=2048, kernelSize=1, **bare)
    case("ResNet-50 1x1 shortcut", "conv2d", [2, 64, 56, 56], channels=256, kernelSize=1, **bare)
    case(
        "ResNet-50 3x3 of stride 2", "conv2d", [2, 256, 28, 28],
        channels=256, kernelSize=3, strides=2, padding=1, **bare,
    )
    case("ResNet-18 3x3, 128 images", "conv2d", [128, 64, 28, 28], channels=64, kernelSize=3, padding=1, **bare)
    case("ResNet-20 3x3, 128 images", "conv2d", [128, 16, 32, 32], channels=16, kernelSize=3, padding=1, **bare)
    case("ResNeXt 32 groups", "conv2d", [2, 256, 28, 28], channels=256, kernelSize=3, padding=1, groups=32, **bare)
    case("AlexNet 5x5", "conv2d", [4, 64, 27, 27], channels=192, kernelSize=5, padding=2)
    case("VGG first 3x3", "conv2d", [1, 64, 224, 224], channels=64, kernelSize=3, padding=1)
    case("VGG last 3x3", "conv2d", [1, 512, 14, 14], channels=512, kernelSize=3, padding=1, draw=relued)
    case("Inception 1x7", "conv2d", [2, 160, 17, 17], channels=192, kernelSize=[1, 7], padding=[0, 3])
    case("EfficientNet squeeze", "conv2d", [8, 1152, 1, 1], channels=48, kernelSize=1, quick=True)
    case(
        "EfficientNet depthwise 5x5", "conv2d", [2, 240, 28, 28],
        channels=240, kernelSize=5, strides=2, padding=2, groups=240, **bare,
    )
    case(
        "MobileNet depthwise 3x3", "conv2d", [4, 384, 14, 14],
        channels=384, kernelSize=3, padding=1, groups=384, **bare,
    )
    case(
        "MobileNetV3 stem, 128 images", "conv2d", [128, 3, 224, 224],
        channels=16, kernelSize=3, strides=2, padding=1, **bare,
    )
    case(
        "MobileNetV2 first depthwise, 128 images", "conv2d", [128, 16, 112, 112],
        channels=16, kernelSize=3, padding=1, groups=16, **bare,
    )
    case("DeepLab dilated by 6", "conv2d", [1, 256, 28, 28], channels=256, kernelSize=3, padding=6, dilation=6, **bare)
    case("YOLO head", "conv2d", [1, 256, 20, 20], channels=255, kernelSize=1)
    case("ESPCN last", "conv2d", [1, 64, 96, 96], channels=12, kernelSize=3, padding=1, quick=True)
    case("one pixel", "conv2d", [3, 17, 1, 1], channels=5, kernelSize=3, padding=1, quick=True)
    case("spectrogram", "conv2d", [2, 1, 80, 300], channels=32, kernelSize=3, strides=2, quick=True)
    case("LeNet second, 256 images", "conv2d", [256, 6, 14, 14], channels=16, kernelSize=5)

    case("U-Net 2x2 upwards", "conv2dTranspose", [1, 256, 28, 28], channels=128, kernelSize=2, strides=2)
    case("DCGAN first", "conv2dTranspose", [8, 100, 1, 1], channels=512, kernelSize=4, **bare)
    case(
        "DCGAN last", "conv2dTranspose", [8, 64, 32, 32],
        channels=3, kernelSize=4, strides=2, padding=1, **bare, quick=True,
    )
    case("HiFi-GAN upsampling", "conv1dTranspose", [1, 512, 100], channels=256, kernelSize=16, strides=8, padding=4)
    case(
        "HiFi-GAN last upsampling", "conv1dTranspose", [1, 64, 800],
        channels=32, kernelSize=4, strides=2, padding=1, quick=True,
    )

    case("Whisper first", "conv1d", [1, 80, 3000], channels=384, kernelSize=3, padding=1)
    case("wav2vec first", "conv1d", [1, 1, 16000], channels=512, kernelSize=10, strides=5, **bare)
    case("wav2vec positions", "conv1d", [1, 768, 49], channels=768, kernelSize=128, padding=64, groups=16)
    case(
        "512 samples of 257 frequencies", "conv1d", [1, 1, 16000],
        channels=514, kernelSize=512, strides=160, **bare, quick=True,
    )
    case("WaveNet dilated by 512", "conv1d", [2, 64, 2048], channels=128, kernelSize=2, dilation=512)
    case("TCN dilated by 8", "conv1d", [4, 32, 500], channels=32, kernelSize=7, padding=24, dilation=8, quick=True)

    case("BERT feed-forward", "dense", [512, 768], units=3072)
    case("BERT feed-forward back", "dense", [128, 3072], units=768)
    case("BERT pooler", "dense", [1, 768], units=768, quick=True)
    case("GPT-2 head", "dense", [64, 768], units=50257, **bare)
    case("table of 13 columns", "dense", [10000, 13], units=1, quick=True)
    case("table of 30 columns", "dense", [8192, 30], units=64)
    case("recommender tower", "dense", [2048, 429], units=1024)
    case("ViT-Ti queries, keys and values", "dense", [4, 197, 192], units=576, quick=True)
    case("VGG first dense layer", "dense", [8, 25088], units=512, draw=relued)
    case("100,000 inputs", "dense", [16, 100000], units=8)
    case("100,000 positive inputs", "dense", [4, 100000], units=4, draw=relued, quick=True)
    case("100,000 units", "dense", [4, 32], units=100000)
    case("100,000 rows", "dense", [100000, 24], units=8)

    case("ViT-B, 197 places", "attention", [2, 197, 768], heads=12)
    case("ViT-Ti, 197 places", "attention", [2, 197, 192], heads=3, quick=True)
    case("GPT-2, 256 places", "attention", [2, 256, 768], heads=12, causal=True)
    case("Whisper, 1500 places", "attention", [1, 1500, 384], heads=6)
    case("GPT-2 small width, 300 places", "attention", [1, 300, 128], heads=2, causal=True, quick=True)

    case("LSTM of 650, 2 layers", "lstm", [35, 20, 650], units=650, numLayers=2)
    case("LSTM of 256, both ways", "lstm", [26, 8, 512], units=256, bidirectional=True)
    case("LSTM of 64, 200 steps", "lstm", [200, 4, 32], units=64, quick=True)
    case("GRU of 1024", "gru", [30, 16, 512], units=1024)
    case("GRU of 96, 100 steps", "gru", [100, 4, 40], units=96, quick=True)
    case("RNN of 256, 100 steps", "rnn", [100, 8, 128], units=256, quick=True)

    shifted = {"scale": 2, "offset": 1}
    case("BERT", "layerNorm", [8, 128, 768], epsilon=1e-12, draw=shifted)
    case("ViT-Ti", "layerNorm", [2, 197, 192], epsilon=1e-6, draw=shifted, quick=True)
    case("Llama", "rmsNorm", [64, 4096], epsilon=1e-5, draw=shifted, quick=True)
    case("ResNet first", "batchNorm", [16, 64, 112, 112], epsilon=1e-5, draw=shifted)
    case("ResNet last", "batchNorm", [4, 2048, 7, 7], epsilon=1e-5, draw=shifted, quick=True)
    case("U-Net", "groupNorm", [1, 320, 32, 32], numGroups=32, epsilon=1e-5, draw=shifted, quick=True)
    case("style transfer", "instanceNorm", [1, 32, 128, 128], epsilon=1e-5, draw=shifted, quick=True)

    case("GPT-2", "softmaxCrossEntropy", [64, 50257], classes=50257, draw={"scale": 8})
    case("ImageNet", "softmaxCrossEntropy", [256, 1000], classes=1000, draw={"scale": 8}, quick=True)

    case("ResNet", "maxPool2d", [1, 64, 112, 112], poolSize=3, strides=2, padding=1, quick=True)
    case("DenseNet", "avgPool2d", [1, 128, 56, 56], poolSize=2, strides=2, quick=True)
    case("ResNet last", "globalAvgPool2d", [4, 2048, 7, 7], quick=True)

    case("BERT", "embedding", [16, 128], draw={"below": 30522}, inputDim=30522, outputDim=768)
    case("ids of few", "embedding", [64, 200], draw={"below": 400}, inputDim=400, outputDim=64, quick=True)

    case("128 images", "mlp", [128, 784], units=[256, 128, 10], classes=10, draw=relued, quick=True)
    case("1024 images", "mlp", [1024, 784], units=[256, 128, 10], classes=10, draw=relued)
    case("128 images of 1024 units", "mlp", [128, 784], units=[1024, 1024, 10], classes=10, draw=relued)
    case("64 images", "lenet", [64, 1, 28, 28], classes=10, draw=relued, quick=True)
    case("256 images", "lenet", [256, 1, 28, 28], classes=10, draw=relued)
    case("ResNet-18", "residual", [2, 64, 56, 56], draw=shifted)
    case("ResNet-20", "residual", [4, 16, 32, 32], draw=shifted, quick=True)
    case("ViT-B", "encoder", [1, 197, 768], heads=12, hiddenUnits=3072, preNorm=True, activation="gelu", epsilon=1e-6)
    case(
        "ViT-Ti", "encoder", [2, 197, 192],
        heads=3, hiddenUnits=768, preNorm=True, activation="gelu", epsilon=1e-6, quick=True,
    )
    case(
        "BERT small", "encoder", [2, 128, 256],
        heads=4, hiddenUnits=1024, preNorm=False, activation="relu", epsilon=1e-5, quick=True,
    )


# ---------- PyTorch's counterparts


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        convolution = lambda: nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.body = nn.Sequential(
            convolution(), nn.BatchNorm2d(channels), nn.ReLU(), convolution(), nn.BatchNorm2d(channels)
        )
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(x + self.body(x))


class SelfAttention(nn.MultiheadAttention):
    def __init__(self, units, heads, causal=False):
        super().__init__(units, heads, batch_first=True)
        self.causal = causal

    def forward(self, x):
        n = x.shape[1]
        mask = torch.triu(torch.ones(n, n, dtype=torch.bool), 1) if self.causal else None
        return super().forward(x, x, x, need_weights=False, attn_mask=mask)[0]


class Sequence(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)[0]


def convolution(make, x, o):
    options = {} if make in (nn.ConvTranspose1d, nn.ConvTranspose2d) else {"dilation": o.get("dilation", 1)}
    pair = lambda v: tuple(v) if isinstance(v, list) else v
    return make(
        x[1], o["channels"], pair(o["kernelSize"]), pair(o.get("strides", 1)), pair(o.get("padding", 0)),
        groups=o.get("groups", 1), bias=o.get("useBias", True), **options,
    )


def recurrent(make, x, o):
    return Sequence(make(x[2], o["units"], o.get("numLayers", 1), bidirectional=o.get("bidirectional", False)))


def mlp(x, o):
    sizes = [x[1], *o["units"]]
    layers = [layer for a, b in zip(sizes, sizes[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )


def encoder(x, o):
    # Modules, so that hooks see what goes into a ReLU.
    activation = {"relu": nn.ReLU(), "gelu": nn.GELU()}[o["activation"]]
    return nn.TransformerEncoderLayer(
        x[2], o["heads"], o["hiddenUnits"], dropout=0, activation=activation, layer_norm_eps=o["epsilon"],
        batch_first=True, norm_first=o["preNorm"],
    )


KINDS = {
    "conv1d": lambda x, o: convolution(nn.Conv1d, x, o),
    "conv2d": lambda x, o: convolution(nn.Conv2d, x, o),
    "conv1dTranspose": lambda x, o: convolution(nn.ConvTranspose1d, x, o),
    "conv2dTranspose": lambda x, o: convolution(nn.ConvTranspose2d, x, o),
    "dense": lambda x, o: nn.Linear(x[-1], o["units"], bias=o.get("useBias", True)),
    "attention": lambda x, o: SelfAttention(x[2], o["heads"], o.get("causal", False)),
    "lstm": lambda x, o: recurrent(nn.LSTM, x, o),
    "gru": lambda x, o: recurrent(nn.GRU, x, o),
    "rnn": lambda x, o: recurrent(nn.RNN, x, o),
    "layerNorm": lambda x, o: nn.LayerNorm(x[-1], eps=o["epsilon"]),
    "rmsNorm": lambda x, o: nn.RMSNorm(x[-1], eps=o["epsilon"]),
    "batchNorm": lambda x, o: nn.BatchNorm2d(x[1], eps=o["epsilon"]),
    "groupNorm": lambda x, o: nn.GroupNorm(o["numGroups"], x[1], eps=o["epsilon"]),
    "instanceNorm": lambda x, o: nn.InstanceNorm2d(x[1], eps=o["epsilon"], affine=True),
    "softmaxCrossEntropy": lambda x, o: nn.Identity(),
    "maxPool2d": lambda x, o: nn.MaxPool2d(o["poolSize"], o["strides"], o["padding"]),
    "avgPool2d": lambda x, o: nn.AvgPool2d(o["poolSize"], o["strides"]),
    "globalAvgPool2d": lambda x, o: nn.AdaptiveAvgPool2d(1),
    "embedding": lambda x, o: nn.Embedding(o["inputDim"], o["outputDim"]),
    "mlp": mlp,
    "lenet": lambda x, o: lenet(),
    "residual": lambda x, o: Residual(x[1]),
    "encoder": encoder,
}

# What a part of a parameter's path is called here and there.
RENAMED = {
    "inner.": "", "self_attn": "attention", "out_proj": "out", "linear1": "hidden", "linear2": "out",
    "norm1": "attentionNorm", "norm2": "outNorm",
}


def parameters(model):
    """By the library's path: a function from the module's tensors, parameters or their gradients, to that one."""
    found = {}
    normal = {f"{path}." if path else "" for path, m in model.named_modules() if "Norm" in type(m).__name__}
    for full, _ in model.named_parameters():
        prefix, _, last = full.rpartition(".")
        prefix = f"{prefix}." if prefix else ""
        path = prefix + ({"weight": "gamma", "bias": "beta"}[last] if prefix in normal else last)
        for there, here in RENAMED.items():
            path = path.replace(there, here)
        if "in_proj_" not in path:
            found[path] = (full, None)
            continue
        for i, name in enumerate(("query", "key", "value")):
            found[path.replace("in_proj_", f"{name}.")] = (full, i)
    return found


def part(tensor, third):
    return tensor if third is None else tensor.chunk(3)[third]


def scales(path, shape):
    """Weights keep the variance of what goes through them, as real ones do; powers of 2, so that values are exact."""
    if path.endswith("gamma"):
        return {"scale": 0.5, "offset": 1}
    if len(shape) == 1:
        return {"scale": 0.125}
    return {"scale": 2.0 ** -round(math.log2(math.sqrt(math.prod(shape[1:]) / 3)))}


# ---------- answers


class Case:
    """A case as it is stored but for its answers, its inputs, and the model with its drawn parameters in float32."""

    def __init__(self, given, seed):
        x, options = given["x"], given["options"]
        torch.manual_seed(0)
        self.model = KINDS[given["kind"]](x, options).train()
        self.paths = parameters(self.model)
        self.draws = {"x": {"shape": x, **given["draw"]}}
        values = dict(self.model.named_parameters())
        for path, (full, third) in self.paths.items():
            shape = list(part(values[full], third).shape)
            draw = {"scale": 1} if given["kind"] == "embedding" else scales(path, shape)
            self.draws[path] = draw
            with torch.no_grad():
                part(values[full], third).copy_(drawn(shape, seed + len(self.draws) + 1, **draw))
        self.x = drawn(x, seed, **given["draw"])
        self.classes = options.get("classes")
        self.labels = None if self.classes is None else drawn(x[:1], seed + 2, below=self.classes)
        self.seed = seed

    def answers(self, dtype):
        """Everything that is compared, by name: the result or losses, and all gradients."""
        model = self.model.to(dtype)
        x = self.x.to(dtype).requires_grad_() if self.x.is_floating_point() else self.x
        for p in model.parameters():
            p.grad = None
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.reset_running_stats()
        y = model(x)
        if self.labels is not None:
            y = nn.functional.cross_entropy(y, self.labels, reduction="none")
            y.sum().backward()
        else:
            y.backward(drawn(list(y.shape), self.seed + 1).to(dtype))
        got = {"y": y.detach()}
        if x.grad is not None:
            got["x"] = x.grad
        values = dict(model.named_parameters())
        for path, (full, third) in self.paths.items():
            got[path] = part(values[full].grad, third)
        for path, m in model.named_modules():
            if isinstance(m, nn.BatchNorm2d):
                prefix = f"{path}." if path else ""
                got[f"{prefix}runningMean"] = m.running_mean.clone()
                got[f"{prefix}runningVar"] = m.running_var.clone()
        return got

    def margin(self):
        """How far the float64 forward stays from every kink."""
        least = math.inf
        hooks = []

        def relu(_module, inputs, _output):
            nonlocal least
            least = min(least, inputs[0].abs().min().item())

        def pool(module, inputs, output):
            nonlocal least
            columns = nn.functional.unfold(
                inputs[0].flatten(0, 1).unsqueeze(1), module.kernel_size, padding=module.padding, stride=module.stride
            )
            # Where nothing is above 0, the ReLU before a window takes its gradient away; padding is 0 here.
            first, second = columns.topk(2, 1).values.unbind(1)
            if (first > 0).any():
                least = min(least, (first - second)[first > 0].min().item())

        for m in self.model.to(torch.float64).modules():
            if isinstance(m, (nn.ReLU, nn.MaxPool2d)):
                hooks.append(m.register_forward_hook(relu if isinstance(m, nn.ReLU) else pool))
        if hooks:
            with torch.no_grad():
                self.model(self.x.double())
        for hook in hooks:
            hook.remove()
        return least


def settled(given):
    """The case with the first seed from its name's that keeps clear of kinks. What goes into a layer alone is exact."""
    first = zlib.crc32(f"{given['kind']} {given['name']}".encode()) & ~63
    needed = 0 if given["kind"] == "maxPool2d" else MARGIN
    for attempt in range(500):
        c = Case(given, (first + 64 * attempt) % 2**32)
        if c.margin() > needed:
            return c
    raise SystemExit(f"{given['name']}: no seed keeps clear of the kinks")


def rounded(value, digits=10):
    return float(f"{value:.{digits}g}")


def largest_of(tensor):
    return float(tensor.abs().max())


def relation(name, exact):
    """What errors are related to: the largest element; its weight's where a bias's gradient cancels to nothing."""
    own = largest_of(exact[name])
    weight = exact.get(name.removesuffix("bias") + "weight") if name.endswith("bias") else None
    return own if weight is None or own > 1e-9 * largest_of(weight) else largest_of(weight)


def summary(exact, rough, largest):
    values = exact.contiguous().numpy().ravel()
    return {
        "shape": list(exact.shape),
        "max": rounded(largest),
        "error": rounded(largest_of(rough.double() - exact) / largest, 3),
        "samples": [rounded(values[i]) for i in sampled(values.size)],
        "dots": [rounded(d) for d in projected(values)],
    }


def made(given):
    c = settled(given)
    exact = c.answers(torch.float64)
    rough = c.answers(torch.float32)
    want = {name: summary(value, rough[name], relation(name, exact)) for name, value in exact.items()}
    fields = {k: given[k] for k in ("name", "kind", "quick", "options")}
    return {**fields, "seed": c.seed, "draws": c.draws, "want": want}


def main(words):
    torch.set_num_threads(1)
    cases()
    kept = {}
    if words and TARGET.exists():
        kept = {(c["kind"], c["name"]): c for c in json.loads(TARGET.read_text())["cases"]}
    lines = []
    for given in CASES:
        label = f"{given['kind']} {given['name']}"
        stored = kept.get((given["kind"], given["name"]))
        if stored is None or any(word in label for word in words):
            stored = made(given)
            print(label, flush=True)
        lines.append(json.dumps(stored, separators=(",", ":")))
    TARGET.parent.mkdir(exist_ok=True)
    source = json.dumps(f"PyTorch {torch.__version__.split('+')[0]}")
    TARGET.write_text('{"source":' + source + ',"cases":[\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{len(lines)} cases, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
