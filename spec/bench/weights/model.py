"""The network: features of all frames in, two masks out.

Bands of bins are encoded each by its own matrix; what all bands say goes
through a trunk of convolutions over time; what the trunk says goes to each
band, which decodes its own bins once more.  The two masks are for what lies
along the lead's direction in the stereo picture and for what lies across it.
Where all of the seconds around speaks against a lead, the masks close.

Nothing here looks farther than some seconds: what a long recording is cut into
does not show.  csrc/engine/net.c computes the same."""

import torch
from torch import nn
from torch.nn import functional as F

BINS, FEATURES, REACH = 1024, 3, 64
BANDS = ((8, 12), (16, 8), (32, 8), (64, 4), (96, 3))  # bins wide, how many
COUNT = sum(n for _, n in BANDS)
ENCODED, WIDTH, HIDDEN, DECODED, SEEN, TAPS = 32, 320, 256, 48, 64, 3
DILATIONS = (1, 2, 4, 8, 16, 32, 1, 4, 16)
SMOOTH, LEAST = 16, 48  # frames: what is against a lead is smoothed, and the least taken
POOLED = 4  # after so many blocks comes what the seconds around are like
BIAS = -.5  # of the masks in training; the engine opens them by as much


# Where the processor has tiles, products of numbers of two bytes take a fifth of
# the time.
TILES = "amx_bf16" in open("/proc/cpuinfo", encoding="ascii").read()


class Product(torch.autograd.Function):
    """(..., n, i) times (..., i, o): sums of floats."""

    @staticmethod
    def forward(ctx, x, w):
        x, w = x.bfloat16(), w.bfloat16()
        ctx.save_for_backward(x, w)
        return torch.matmul(x, w).float()

    @staticmethod
    def backward(ctx, g):
        (x, w), g = ctx.saved_tensors, g.bfloat16()
        return (torch.matmul(g, w.transpose(-1, -2)).float(),
                torch.matmul(x.transpose(-1, -2), g).float())


product = Product.apply if TILES else torch.matmul


class Linear(nn.Linear):
    def forward(self, x):
        y = product(x.reshape(-1, x.shape[-1]), self.weight.t())
        return y.view(*x.shape[:-1], -1) + self.bias


class Shift(torch.autograd.Function):
    """(bands, batch, frames, taps * n) to (bands, batch, frames, n): each tap
    comes from a frame of its own.  Slices would do, but slowly."""

    @staticmethod
    def forward(ctx, x):
        n = x.shape[3] // TAPS
        y = x[..., n:2 * n].clone()
        y[:, :, 1:] += x[:, :, :-1, :n]
        y[:, :, :-1] += x[:, :, 1:, 2 * n:]
        return y

    @staticmethod
    def backward(ctx, g):
        n = g.shape[3]
        out = g.new_empty(*g.shape[:3], TAPS * n)
        out[..., n:2 * n] = g
        out[:, :, :-1, :n] = g[:, :, 1:]
        out[:, :, -1, :n] = 0
        out[:, :, 1:, 2 * n:] = g[:, :, :-1]
        out[:, :, 0, 2 * n:] = 0
        return out


class Gather(torch.autograd.Function):
    """(batch, frames, n) to (batch, frames, taps * n): a frame beside those a
    distance before and after it."""

    @staticmethod
    def forward(ctx, x, distance):
        ctx.distance = d = min(distance, x.shape[1])
        y = x.new_empty(*x.shape[:2], TAPS, x.shape[2])
        y[:, :d, 0] = 0
        y[:, d:, 0] = x[:, :x.shape[1] - d]
        y[:, :, 1] = x
        y[:, :x.shape[1] - d, 2] = x[:, d:]
        y[:, x.shape[1] - d:, 2] = 0
        return y.view(*x.shape[:2], TAPS * x.shape[2])

    @staticmethod
    def backward(ctx, g):
        d, n = ctx.distance, g.shape[2] // TAPS
        out = g[..., n:2 * n].clone()
        out[:, :g.shape[1] - d] += g[:, d:, :n]
        out[:, d:] += g[:, :g.shape[1] - d, 2 * n:]
        return out, None


class Banded(nn.Module):
    """A matrix for each band of one width."""

    def __init__(self, bands, i, o, gain=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(bands, i, o) * gain * i ** -.5)
        self.bias = nn.Parameter(torch.zeros(bands, 1, o))

    def forward(self, x):
        return product(x, self.weight) + self.bias


class Taps(nn.Module):
    """The same over three frames, the middle one being the strongest."""

    def __init__(self, bands, i, o, gain=1.0):
        super().__init__()
        weight = torch.randn(bands, i, TAPS, o) * gain * i ** -.5
        weight[:, :, 0] *= .3
        weight[:, :, 2] *= .3
        self.weight = nn.Parameter(weight.reshape(bands, i, TAPS * o))
        self.bias = nn.Parameter(torch.zeros(bands, 1, 1, o))

    def forward(self, x, batch):
        y = product(x, self.weight)
        y = y.view(y.shape[0], batch, -1, y.shape[2])
        return Shift.apply(y) + self.bias


class Block(nn.Module):
    def __init__(self, dilation):
        super().__init__()
        self.dilation = dilation
        self.norm = nn.LayerNorm(WIDTH)
        self.conv = Linear(TAPS * WIDTH, HIDDEN)
        self.out = Linear(HIDDEN, WIDTH)
        nn.init.normal_(self.out.weight, std=.3 * HIDDEN ** -.5)
        nn.init.zeros_(self.out.bias)

    def forward(self, x):
        y = Gather.apply(self.norm(x), self.dilation)
        return x + self.out(F.relu(self.conv(y)))


def around(x, reach=REACH):
    """Mean over the frames around each, as far as there are any."""
    frames = x.shape[1]
    sums = F.pad(x.cumsum(1), (0, 0, 1, 0))
    t = torch.arange(frames)
    first, end = (t - reach).clamp(min=0), (t + reach + 1).clamp(max=frames)
    return (sums[:, end] - sums[:, first]) / (end - first).view(1, -1, 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        constant = lambda x: nn.Parameter(x, requires_grad=False)
        self.mean = constant(torch.zeros(FEATURES, BINS))
        self.scale = constant(torch.ones(FEATURES, BINS))
        banded = lambda kind, f: nn.ModuleList(
            kind(n, *f(w)) for w, n in BANDS)
        self.encode = banded(Taps, lambda w: (FEATURES * w, ENCODED, 1.4))
        self.inner = Linear(COUNT * ENCODED, WIDTH)
        self.blocks = nn.ModuleList(Block(d) for d in DILATIONS)
        self.pool = Linear(2 * WIDTH, WIDTH)
        nn.init.normal_(self.pool.weight, std=.1 * WIDTH ** -.5)
        self.norm = nn.LayerNorm(WIDTH)
        self.seen = Linear(WIDTH, SEEN)
        self.doubt = nn.Linear(SEEN, 1)
        nn.init.zeros_(self.doubt.weight)
        nn.init.constant_(self.doubt.bias, -3)
        self.context = Linear(WIDTH, COUNT * DECODED)
        self.decode = banded(Taps, lambda w: (FEATURES * w, DECODED))
        self.mask = banded(Banded, lambda w: (DECODED, 2 * w, .3))

    def trunk(self, x):
        for i, block in enumerate(self.blocks):
            if i == POOLED:
                mean = around(x)
                spread = (around(x * x) - mean * mean).clamp(min=0)
                x = x + self.pool(torch.cat(
                    [mean, (spread + 1e-5).sqrt()], 2))
            x = block(x)
        x = self.norm(x)
        against = around(self.doubt(F.relu(self.seen(x))), SMOOTH)[..., 0]
        least = -F.max_pool1d(-against, 2 * LEAST + 1, 1, LEAST)
        return self.context(x), F.softplus(least)[..., None]

    def forward(self, bands):
        """Features of the bands of each width, (bands, batch, frames, values),
        already less `mean` and times `scale`; to logits of the same form, less
        BIAS: those along the lead, those across it."""
        batch, frames = bands[0].shape[1:3]
        bands = [x.flatten(1, 2) for x in bands]
        x = torch.cat([F.relu(e(x, batch)) for x, e in zip(
            bands, self.encode)], 0)
        x = x.permute(1, 2, 0, 3).reshape(batch, frames, COUNT * ENCODED)
        context, doubt = self.trunk(self.inner(x))
        context = context.view(
            batch, frames, COUNT, DECODED).permute(2, 0, 1, 3)
        out, k = [], 0
        for (w, n), x, decode, mask in zip(BANDS, bands, self.decode, self.mask):
            y = F.relu(decode(x, batch) + context[k:k + n])
            y = mask(y.view(n, batch * frames, DECODED))
            out.append(y.view(n, batch, frames, 2 * w) - doubt)
            k += n
        return out


def macs(net):
    """Multiplications of one frame."""
    return sum(p.numel() for name, p in net.named_parameters()
               if p.dim() > 1 and "weight" in name)
