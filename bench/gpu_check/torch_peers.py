#!/usr/bin/env python3
"""Times PyTorch on the networks of gpu_check, in float16: eager, and compiled with a CUDA graph.

Called by gpu_check: torch_peers.py JOURNAL SECONDS. Adds one JSON object a line. All networks compile at once, each in
a process of its own; a lock lets one of them time at a time.
"""
import fcntl
import json
import os
import subprocess
import sys
import time

ROWS = [
    ("compact16", (1, 3, 720, 1280)), ("rrdb23", (1, 3, 512, 512)), ("edsr", (1, 3, 720, 1280)),
    ("span", (1, 3, 720, 1280)), ("compact32", (1, 3, 720, 1280)), ("swinir_light", (1, 3, 256, 256)),
    ("compact16", (1, 3, 256, 256)), ("rrdb23", (1, 3, 256, 256)), ("resnet50", (1, 3, 224, 224)),
    ("resnet50", (16, 3, 224, 224)), ("bert_base", (1, 128)), ("espcn", (1, 1, 720, 1280)),
    ("fsrcnn", (1, 1, 720, 1280)),
]


def make(name):
    import torch
    from torch import nn
    from torch.nn import functional as F

    def conv(a, b, k=3, s=1):
        return nn.Conv2d(a, b, k, s, k // 2)

    class Compact(nn.Module):
        def __init__(self, layers):
            super().__init__()
            parts = [conv(3, 64), nn.PReLU(64)]
            for _ in range(layers):
                parts += [conv(64, 64), nn.PReLU(64)]
            self.body = nn.Sequential(*parts, conv(64, 48), nn.PixelShuffle(4))

        def forward(self, x):
            return self.body(x) + F.interpolate(x, scale_factor=4, mode="nearest")

    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList([conv(64 + 32 * i, 32 if i < 4 else 64) for i in range(5)])

        def forward(self, x):
            parts = [x]
            for c in self.convs[:4]:
                parts.append(F.leaky_relu(c(torch.cat(parts, 1)), 0.2))
            return self.convs[4](torch.cat(parts, 1)) * 0.2 + x

    class Rrdb(nn.Module):
        def __init__(self, blocks=23):
            super().__init__()
            self.first, self.last = conv(3, 64), conv(64, 64)
            self.blocks = nn.ModuleList([nn.Sequential(Dense(), Dense(), Dense()) for _ in range(blocks)])
            self.up1, self.up2, self.hr, self.out = conv(64, 64), conv(64, 64), conv(64, 64), conv(64, 3)

        def forward(self, x):
            first = x = self.first(x)
            for block in self.blocks:
                x = block(x) * 0.2 + x
            x = first + self.last(x)
            for up in (self.up1, self.up2):
                x = F.leaky_relu(up(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
            return self.out(F.leaky_relu(self.hr(x), 0.2))

    class Edsr(nn.Module):
        def __init__(self, blocks=16):
            super().__init__()
            self.sub, self.head, self.body_end, self.add = conv(3, 3, 1), conv(3, 64), conv(64, 64), conv(3, 3, 1)
            self.blocks = nn.ModuleList(
                [nn.Sequential(conv(64, 64), nn.ReLU(), conv(64, 64)) for _ in range(blocks)])
            self.tail = nn.Sequential(conv(64, 256), nn.PixelShuffle(2), conv(64, 3))

        def forward(self, x):
            head = x = self.head(self.sub(x))
            for block in self.blocks:
                x = x + block(x)
            return self.add(self.tail(self.body_end(x) + head))

    class Spab(nn.Module):
        def __init__(self, c=48):
            super().__init__()
            self.a, self.b, self.c = conv(c, c), conv(c, c), conv(c, c)

        def forward(self, x):
            first = self.a(x)
            y = self.c(F.silu(self.b(F.silu(first))))
            return (y + x) * (torch.sigmoid(y) - 0.5), first

    class Span(nn.Module):
        def __init__(self, c=48):
            super().__init__()
            self.head, self.mid, self.cat = conv(3, c), conv(c, c), conv(4 * c, c, 1)
            self.blocks = nn.ModuleList([Spab(c) for _ in range(6)])
            self.up = nn.Sequential(conv(c, 48), nn.PixelShuffle(4))

        def forward(self, x):
            head = self.head(x)
            first, _ = self.blocks[0](head)
            x = first
            for block in self.blocks[1:]:
                x, inner = block(x)
            return self.up(self.cat(torch.cat([head, self.mid(x), first, inner], 1)))

    class WindowBlock(nn.Module):
        def __init__(self, side, shift, c=60, heads=6, window=8):
            super().__init__()
            self.side, self.shift, self.c, self.heads, self.window = side, shift, c, heads, window
            self.norm1, self.norm2 = nn.LayerNorm(c), nn.LayerNorm(c)
            self.qkv, self.proj = nn.Linear(c, 3 * c), nn.Linear(c, c)
            self.mlp = nn.Sequential(nn.Linear(c, 2 * c), nn.GELU(), nn.Linear(2 * c, c))
            area, across = window * window, side // window
            self.bias = nn.Parameter(torch.randn(1, heads, area, area) * 0.1)
            part = torch.tensor([0 if i < side - window else 1 if i < side - window // 2 else 2 for i in range(side)])
            region = (3 * part[:, None] + part[None]).view(across, window, across, window)
            region = region.permute(0, 2, 1, 3).reshape(-1, area)
            mask = torch.where(region[:, None] == region[:, :, None], 0.0, -100.0)
            self.register_buffer("mask", mask[:, None])

        def forward(self, x):
            s, w, c = self.side, self.window, self.c
            n = s // w
            y = self.norm1(x).view(1, s, s, c)
            if self.shift:
                y = torch.roll(y, (-self.shift, -self.shift), (1, 2))
            y = y.view(1, n, w, n, w, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w, c)
            q, k, v = self.qkv(y).view(-1, w * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
            bias = self.bias + self.mask.to(q.dtype) if self.shift else self.bias
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype).expand(n * n, -1, -1, -1))
            y = self.proj(y.transpose(1, 2).reshape(-1, w * w, c))
            y = y.view(1, n, n, w, w, c).permute(0, 1, 3, 2, 4, 5).reshape(1, s, s, c)
            if self.shift:
                y = torch.roll(y, (self.shift, self.shift), (1, 2))
            x = x + y.reshape(1, s * s, c)
            return x + self.mlp(self.norm2(x))

    class Swin(nn.Module):
        def __init__(self, side=256, c=60, depths=(6, 6, 6, 6)):
            super().__init__()
            self.side, self.c = side, c
            self.first, self.last = conv(3, c), conv(c, c)
            self.before, self.after = nn.LayerNorm(c), nn.LayerNorm(c)
            self.layers = nn.ModuleList([nn.ModuleList(
                [WindowBlock(side, 4 * (i % 2), c) for i in range(d)] + [conv(c, c)]) for d in depths])
            self.up = nn.Sequential(conv(c, 48), nn.PixelShuffle(4))

        def forward(self, x):
            def image(t):
                return t.transpose(1, 2).reshape(1, self.c, self.side, self.side)

            def sequence(t):
                return t.flatten(2).transpose(1, 2)
            first = self.first(x)
            x = self.before(sequence(first))
            for layer in self.layers:
                y = x
                for block in layer[:-1]:
                    y = block(y)
                x = sequence(layer[-1](image(y))) + x
            return self.up(self.last(image(self.after(x))) + first)

    class Bottleneck(nn.Module):
        def __init__(self, a, w, stride, project):
            super().__init__()
            self.a, self.b, self.c = conv(a, w, 1), conv(w, w, 3, stride), conv(w, 4 * w, 1)
            self.skip = conv(a, 4 * w, 1, stride) if project else nn.Identity()

        def forward(self, x):
            return F.relu(self.c(F.relu(self.b(F.relu(self.a(x))))) + self.skip(x))

    def resnet():
        parts, a = [conv(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
        for w, n, s in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for i in range(n):
                parts.append(Bottleneck(a, w, s if i == 0 else 1, i == 0))
                a = 4 * w
        return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))

    class Bert(nn.Module):
        def __init__(self, layers=12, h=768, heads=12, words=30522):
            super().__init__()
            self.words, self.kinds = nn.Embedding(words, h), nn.Embedding(2, h)
            self.places, self.norm, self.heads = nn.Parameter(torch.randn(1, 128, h) * 0.1), nn.LayerNorm(h), heads
            self.layers = nn.ModuleList([nn.ModuleDict(dict(
                qkv=nn.Linear(h, 3 * h), proj=nn.Linear(h, h), n1=nn.LayerNorm(h), n2=nn.LayerNorm(h),
                mlp=nn.Sequential(nn.Linear(h, 4 * h), nn.GELU(), nn.Linear(4 * h, h)))) for _ in range(layers)])

        def forward(self, ids):
            x = self.norm(self.words(ids) + self.kinds(ids % 2) + self.places)
            for layer in self.layers:
                b, s, h = x.shape
                q, k, v = layer["qkv"](x).view(b, s, 3, self.heads, h // self.heads).permute(2, 0, 3, 1, 4)
                y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, s, h)
                x = layer["n1"](layer["proj"](y) + x)
                x = layer["n2"](layer["mlp"](x) + x)
            return x

    def espcn():
        return nn.Sequential(conv(1, 64, 5), nn.Tanh(), conv(64, 32), nn.Tanh(), conv(32, 4), nn.PixelShuffle(2))

    def fsrcnn():
        parts = [conv(1, 56, 5), nn.PReLU(56), conv(56, 12, 1), nn.PReLU(12)]
        for _ in range(4):
            parts += [conv(12, 12), nn.PReLU(12)]
        return nn.Sequential(*parts, conv(12, 56, 1), nn.PReLU(56), nn.ConvTranspose2d(56, 1, 9, 2, 4, 1))

    return {"compact16": lambda: Compact(16), "compact32": lambda: Compact(32), "rrdb23": Rrdb, "edsr": Edsr,
            "span": Span, "swinir_light": Swin, "resnet50": resnet, "bert_base": Bert, "espcn": espcn,
            "fsrcnn": fsrcnn}[name]()


def note(journal, line):
    file = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(file, (json.dumps(line) + "\n").encode())
    os.close(file)


def time_one(name, shape, journal, lock):
    import torch
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    model = make(name).cuda().half().eval()
    if name == "bert_base":
        x = torch.randint(0, 2, shape, device="cuda")
    else:
        model = model.to(memory_format=torch.channels_last)
        x = torch.rand(shape, device="cuda", dtype=torch.half).to(memory_format=torch.channels_last)

    def median(run):
        for _ in range(3):
            run()
        times, begin = [], time.time()
        while len(times) < 5 or (len(times) < 50 and time.time() - begin < 0.7):
            a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            a.record()
            run()
            b.record()
            b.synchronize()
            times.append(a.elapsed_time(b))
        return sorted(times)[len(times) // 2]

    def graph_of(run):
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                run()
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph):
            run()
        return graph.replay

    line = {"stage": "torch", "item": f"{name} {'x'.join(map(str, shape))}", "network": name,
            "shape": "x".join(map(str, shape)), "precision": "fp16", "device": torch.cuda.get_device_name(),
            "torch": torch.__version__}
    with torch.inference_mode(), open(lock, "w") as locked:
        fcntl.flock(locked, fcntl.LOCK_EX)
        line["eager_ms"] = median(lambda: model(x))
        line["eager_graph_ms"] = median(graph_of(lambda: model(x)))
        note(journal, dict(line, compiled=False, result="ok"))
        fcntl.flock(locked, fcntl.LOCK_UN)
        begin = time.time()
        compiled = torch.compile(model, dynamic=False)
        compiled(x)
        torch.cuda.synchronize()
        line["compile_s"] = time.time() - begin
        fcntl.flock(locked, fcntl.LOCK_EX)
        line["compile_ms"] = median(lambda: compiled(x))
        line["compile_graph_ms"] = median(graph_of(lambda: compiled(x)))
        note(journal, dict(line, compiled=True, result="ok"))


def main():
    journal, seconds = sys.argv[1], float(sys.argv[2])
    lock = journal + ".lock"
    if len(sys.argv) > 3:
        name, shape = ROWS[int(sys.argv[3])]
        return time_one(name, shape, journal, lock)
    end = time.time() + seconds
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "2")
    workers = [subprocess.Popen([sys.executable, __file__, journal, str(seconds), str(i)]) for i in range(len(ROWS))]
    while time.time() < end and any(worker.poll() is None for worker in workers):
        time.sleep(0.1)
    for worker in workers:
        if worker.poll() is None:
            worker.kill()


if __name__ == "__main__":
    main()
