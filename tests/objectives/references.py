"""Each objective's equation in plain Python loops, one sample and one token at a time: the truth for the tests.

A sample is a list of confidences with whatever else the equation asks for. ``reference(name, ...)`` returns the token
weights, the sample weights and the loss as Python floats.
"""

import math
import statistics

EPS = 1e-8


def windows_v1(c, g):
    return [c[i : i + g] for i in range(len(c) - g + 1)] if len(c) >= g else [c]


def window_v3(c, t, g):
    return c[max(t - g // 2, 0) : min(t - g // 2 + g, len(c))]


def bft(c, *, variant, g, gamma=1.0):
    """Return ``(w, s)`` of one sample."""
    if not c:
        return [], 0.0
    if variant == "v1":
        return c, 1 - min(statistics.fmean(w) for w in windows_v1(c, g)) ** gamma
    if variant == "v1-geometric":
        groups = [math.exp(statistics.fmean(math.log(x) for x in w)) for w in windows_v1(c, g)]
        return c, 1 - min(groups) ** gamma
    local = [statistics.fmean(window_v3(c, t, g)) for t in range(len(c))]
    return [min(x / (C + EPS), 1.0) for x, C in zip(c, local, strict=True)], 1 - min(local) ** gamma


def token_weights(name, samples, extras, options):
    """Return the token weights of every sample, a list of lists."""
    alpha = options.get("alpha")
    if name == "talr":
        tau = statistics.median_low([statistics.fmean(-math.log(x) for x in c) for c in samples if c])
    weigh = {
        "sft": lambda x, e: 1.0,
        "dft": lambda x, e: x,
        "asft": lambda x, e: x,
        "iw-sft": lambda x, e: 1.0,
        "focal": lambda x, e: (1 - x) ** options.get("gamma", 2.0),
        "power": lambda x, e: x ** (0.5 if alpha is None else alpha),
        "deft": lambda x, e: x ** e["collision"],
        "eaft": lambda x, e: (e["entropy"] / math.log(20)) ** (1.0 if alpha is None else alpha),
        "talr": lambda x, e: max(x ** (1 / tau), options.get("least", 0.01)),
        "profit": lambda x, e: float(x >= options.get("threshold", 0.1)),
        "prift": lambda x, e: math.exp(e["reference_log_probs"]),
    }[name]
    return [[weigh(x, e) for x, e in zip(c, extra, strict=True)] for c, extra in zip(samples, extras, strict=True)]


def reference(name, samples, extras, **options):
    """Return ``(token weights, sample weights, loss)`` of all samples under the default denominator."""
    if name == "bft":
        variant, g = options.get("variant", "v3"), options.get("window", 256)
        pairs = [bft(c, variant=variant, g=g, gamma=options.get("gamma", 1.0)) for c in samples]
        w, s = [p[0] for p in pairs], [p[1] for p in pairs]
    else:
        w, s = token_weights(name, samples, extras, options), [1.0 if c else 0.0 for c in samples]
    if name == "iw-sft":
        gain = [
            statistics.fmean(math.log(x) - e["reference_log_probs"] for x, e in zip(c, extra, strict=True)) if c else 0
            for c, extra in zip(samples, extras, strict=True)
        ]
        s = [
            min(math.exp(options.get("temperature", 1.0) * m), 16.0) if c else 0.0
            for m, c in zip(gain, samples, strict=True)
        ]

    def value(x, weight, e):
        if name in ("power", "deft"):
            a = e["collision"] if name == "deft" else options.get("alpha", 0.5)
            return (1 - x**a) / a
        leash = options.get("kl_weight", 0.05) * e["reference_kl"] if name == "asft" else 0.0
        return weight * -math.log(x) + leash

    sums = [
        sum(value(x, weight, e) for x, weight, e in zip(c, ws, extra, strict=True))
        for c, ws, extra in zip(samples, w, extras, strict=True)
    ]
    if name == "bft":
        loss = sum(sb * total / (len(c) + EPS) for sb, total, c in zip(s, sums, samples, strict=True)) / len(samples)
    else:
        loss = sum(sb * total for sb, total in zip(s, sums, strict=True)) / max(sum(map(len, samples)), 1)
    return w, s, loss
