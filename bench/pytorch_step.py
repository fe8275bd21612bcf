"""PyTorch as a contestant of the bench, on one thread: a process that holds matrices and a GPT and answers requests.

A request is one line of JSON on standard input, {"op": ..., ...}; the answer is one line on standard output. Arrays
travel as base64 of little-endian float32 or int32. Times are taken here, so that the pipe costs nothing.
"""

import base64
import json
import math
import re
import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def decode(text, dtype=torch.float32):
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=dtype)


def encode(tensor):
    return base64.b64encode(tensor.detach().contiguous().numpy().tobytes()).decode()


def blas():
    """The library behind products. Debian's torch takes whatever libblas.so.3 is; the reference one is very slow."""
    with open("/proc/self/maps") as maps:
        found = re.search(r"openblas|mkl_|blis|atlas", maps.read())
    return found.group().rstrip("_") if found else "reference BLAS"


class Product:
    def __init__(self, a, b, n):
        self.a, self.b = decode(a).view(n, n), decode(b).view(n, n)
        self.c = self.a @ self.b

    def run(self, times):
        start = time.perf_counter()
        for _ in range(times):
            self.c = self.a @ self.b
        return {"seconds": time.perf_counter() - start}

    def result(self):
        return {"data": encode(self.c)}


class Training:
    def __init__(self, config, layer_norm_eps, adamw, weights, inputs, targets):
        self.c, self.eps = config, layer_norm_eps
        self.w = {w["name"]: decode(w["data"]).view(w["shape"]).clone().requires_grad_() for w in weights}
        self.inputs = decode(inputs, torch.int32).long().view(config["batch"], config["context"])
        self.targets = decode(targets, torch.int32).long()
        self.optimizer = torch.optim.AdamW(
            self.w.values(), lr=adamw["lr"], betas=(adamw["beta1"], adamw["beta2"]), eps=adamw["eps"],
            weight_decay=adamw["weightDecay"], foreach=True)
        self.causal = torch.full([config["context"]] * 2, -math.inf).triu(1)

    def linear(self, x, name):  # [B·T, in] -> [B·T, out]
        return torch.addmm(self.w[name + ".bias"], x, self.w[name + ".weight"])

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.w[name + ".weight"], self.w[name + ".bias"], self.eps)

    def attention(self, x, name):
        batch, context, width, heads = (self.c[k] for k in ("batch", "context", "width", "heads"))
        qkv = self.linear(x, name + ".c_attn").view(batch, context, 3, heads, width // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # [B, H, T, d/H] each
        scores = q @ k.transpose(-2, -1) / math.sqrt(width // heads) + self.causal  # [B, H, T, T]
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch * context, width)
        return self.linear(mixed, name + ".c_proj")

    def loss(self):
        x = (self.w["wte.weight"][self.inputs] + self.w["wpe.weight"]).view(-1, self.c["width"])  # [B·T, d]
        for i in range(self.c["layers"]):
            x = x + self.attention(self.norm(x, f"h.{i}.ln_1"), f"h.{i}.attn")
            hidden = F.gelu(self.linear(self.norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc"), approximate="tanh")
            x = x + self.linear(hidden, f"h.{i}.mlp.c_proj")
        return F.cross_entropy(self.norm(x, "ln_f") @ self.w["wte.weight"].T, self.targets)

    def gradients(self):
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        return {"loss": loss.item(), "gradients": {name: encode(p.grad) for name, p in self.w.items()}}

    def step(self):
        start = time.perf_counter()
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss.item(), "seconds": time.perf_counter() - start}


held = {}  # id -> Product or Training
kinds = {"product": Product, "training": Training}

print(json.dumps({"version": torch.__version__, "blas": blas()}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    op, key = request.pop("op"), request.pop("id")
    if op in kinds:
        held[key] = kinds[op](**request)
        answer = {}
    elif op == "dispose":
        del held[key]
        answer = {}
    else:
        answer = getattr(held[key], op)(**request)
    print(json.dumps(answer), flush=True)
