"""Mixtures out of the pool, anew each time: who with what, how loud, where, in
what tone, from when on, in mono or stereo."""

import ctypes
import functools
import glob
import math
import os
import subprocess

import numpy as np
import torch

import model

BINS = model.BINS
FREQUENCY = np.arange(BINS) * 44100 / 4096
DATA = os.environ.get("WEIGHTS_DATA", "build/weights")
HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = ("speech", "sung", "wet", "music", "ambience", "noise", "pairs",
         "bands", "bass", "solos")

# speech over music, speech over ambience, singing, lead, only one of the two,
# speech over a bass
CHANCES = dict(sm=.18, sa=.165, si=.105, le=.355, fg=.03, bg=.12, ba=.045)
SOLO = .45  # of leads: over music that they do not belong to
ALONE = .35  # of music alone: a band without its lead
SHARE = -9  # dB: music in which solos.py finds more of a lead is left out
BASS = .12  # of music: with one more bass in the middle
MONO, RECORDED = .35, .4  # of all, and of leads
LEVELS = (-8, 8), (-7, 9)  # dB: of the foreground; of a lead


def doubtful():
    """From now on as the doubt alone is fit: music without a lead, and voices that
    it must not take for that."""
    global ALONE, LEVELS
    CHANCES.update(sm=.17, sa=.08, si=.1, le=.32, fg=.03, bg=.27, ba=.03)
    ALONE, LEVELS = .6, ((-12, 8), (-9, 9))


class Part(ctypes.Structure):
    _fields_ = [("bins", ctypes.c_void_p), ("tone", ctypes.c_void_p),
                ("gain", ctypes.c_float * 2), ("pause", ctypes.c_int),
                ("resume", ctypes.c_int)]


class Output(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p)
                for name in ("energy", "common", "lead")]


class Bands(ctypes.Structure):
    _fields_ = [("of", ctypes.c_void_p * len(model.BANDS)),
                ("mixture", ctypes.c_int), ("mixtures", ctypes.c_int)]

    def __init__(self, tensors, mixture):
        super().__init__()
        if tensors:
            self.of[:] = [t.data_ptr() for t in tensors]
            self.mixture, self.mixtures = mixture, tensors[0].shape[1]


SUMS = ("all", "both", "lead", "own", "cross", "error")


class Sums(ctypes.Structure):
    _fields_ = [(name, ctypes.c_double) for name in SUMS]


@functools.lru_cache(None)
def library():
    """mix.c, built anew when it has changed."""
    source, path = HERE + "/mix.c", DATA + "/mix.so"
    if (not os.path.exists(path)
            or os.path.getmtime(path) < os.path.getmtime(source)):
        new = f"{path}.{os.getpid()}"
        subprocess.run(["gcc", "-Ofast", "-march=native", "-mprefer-vector-width=512", "-shared", "-fPIC",
                        "-o", new, source, "-lm"], check=True)
        os.rename(new, path)
    loaded = ctypes.CDLL(path)
    loaded.judge.restype = ctypes.c_float
    return loaded


def arrays(mixtures, frames, per_bin):
    """For each width of bands: bands, mixtures, frames, values."""
    return [torch.empty(n, mixtures, frames, per_bin * w)
            for w, n in model.BANDS]


class Pool:
    """The clips of each kind, mapped."""

    def __init__(self, part):
        self.clips = {kind: [clip for path in sorted(
            glob.glob(f"{DATA}/pool/{kind}-{part}*.npy"))
            for clip in self.read(path, kind)] for kind in KINDS}

    @staticmethod
    def read(path, kind):
        clips = np.load(path, mmap_mode="r")
        shares = path.replace("/music-", "/share-")
        if kind != "music" or not os.path.exists(shares):
            return list(clips)
        return [clip for clip, share in zip(clips, np.load(shares))
                if share < SHARE]

    def count(self, kind):
        return len(self.clips[kind])

    def clip(self, rng, kind):
        return self.clips[kind][rng.randrange(self.count(kind))]


def tone(rng):
    """A smooth random equaliser over log frequency, at times a band limit."""
    knots = np.array([rng.gauss(0, 3) for _ in range(6)])
    at = np.log2((FREQUENCY + 40) / 40) / math.log2(11100 / 40) * 5
    gain = 10 ** (np.interp(at, np.arange(6), knots) / 20)
    chance = rng.random()
    sigmoid = lambda x: 1 / (1 + np.exp(-np.clip(x, -50, 50)))
    if chance < .12:
        cut = rng.choice([3400, 4000, 5500, 8000])
        gain = gain * sigmoid((cut - FREQUENCY) / 60)
    elif chance < .2:
        gain = gain * sigmoid((FREQUENCY - rng.uniform(80, 300)) / 20)
    return gain.astype("f4")


def place(rng):
    """Gains of a dry lead: half of them are in the middle."""
    a = math.pi / 4 + (0 if rng.random() < .5 else rng.uniform(-.6, .6))
    return math.cos(a), math.sin(a)


def output(planes, i):
    return ctypes.byref(Output(*(t[i].data_ptr() for t in planes)))


def judge(planes, logits, slopes, floor, local):
    """The mean loss of the mixtures, and the sums that their gains follow from;
    fills `slopes`, if any, with the derivative by the logits."""
    count, frames = planes[0].shape[:2]
    loss, rows, code = 0.0, [], library()
    for i in range(count):
        sums = Sums()
        loss += code.judge(
            frames, ctypes.c_float(floor), ctypes.c_float(local),
            ctypes.c_float(model.BIAS), output(planes, i), ctypes.byref(Bands(logits, i)),
            ctypes.byref(Bands(slopes, i)), ctypes.byref(sums)) / count
        rows.append([getattr(sums, name) for name in SUMS])
    for s in slopes:
        s /= count
    return loss, torch.tensor(rows, dtype=torch.float64)


class Mixer:
    """Mixtures of `frames` frames; `part` of the pool.  Features less `mean`,
    times `scale`."""

    def __init__(self, part, frames, mean, scale):
        self.pool, self.frames, self.library = Pool(part), frames, library()
        self.mean, self.scale = mean.contiguous(), scale.contiguous()

    def sources(self, rng, clip, gains=None, swap=False):
        """Parts of a clip: a mono one with `gains`, or two channels."""
        frames = self.frames
        start = rng.randrange(clip.shape[1] - frames + 1)
        pause = resume = 0
        if rng.random() < .15:
            pause = rng.randrange(frames)
            resume = pause + rng.randrange(20, frames // 2)
        shape = tone(rng)
        planes = [(clip[0], gains)] if gains else [
            (clip[0], (0, 1) if swap else (1, 0)),
            (clip[1], (1, 0) if swap else (0, 1))]
        return [[np.ascontiguousarray(plane[start:start + frames]), shape, *gain,
                 pause, resume] for plane, gain in planes]

    def lead(self, rng, kind):
        if rng.random() < .2:
            return self.sources(rng, self.pool.clip(rng, "wet"),
                                swap=rng.random() < .5)
        return self.sources(rng, self.pool.clip(
            rng, "sung" if kind == "si" else "speech"), place(rng))

    def rest(self, rng, kind):
        name = dict(sa="ambience", no="noise", ba="bass").get(kind, "music")
        swap = rng.random() < .5
        parts = self.sources(rng, self.pool.clip(rng, name), swap=swap)

        def join(name, least, most):
            loud = rng.uniform(least, most)
            for part in self.sources(rng, self.pool.clip(rng, name)):
                part[2:4] = part[2] * loud, part[3] * loud
                parts.append(part)

        if name == "music" and rng.random() < .15:
            join("ambience", .1, .8)
        if name == "music" and rng.random() < BASS:
            join("bass", .2, 1)
        if name == "bass" and rng.random() < .35:
            join(rng.choice(["music", "ambience"]), .1, .8)
        if rng.random() < .12:  # music in mono
            for part in parts:
                part[2] = part[3] = (part[2] + part[3]) / 2
        return parts

    def pair(self, rng):
        """A lead and the rest of its band, at times of another's."""
        if rng.random() < SOLO:
            return self.sources(rng, self.pool.clip(rng, "solos"),
                                swap=rng.random() < .5), self.rest(rng, "sm")
        recorded = rng.random() < RECORDED and self.pool.count("bands")
        clip = self.pool.clip(rng, "bands" if recorded else "pairs")
        start = rng.randrange(clip.shape[1] - self.frames + 1)
        swap, chance = rng.random() < .5, rng.random()

        def parts(planes, shape):
            return [[np.ascontiguousarray(plane[start:start + self.frames]),
                     shape, *((0, 1) if swap == (i == 0) else (1, 0)), 0, 0]
                    for i, plane in enumerate(planes)]

        shape = tone(rng)
        leads = parts(clip[:2], shape)
        if chance < (.3 if recorded else .5):
            return leads, self.rest(rng, "sm")
        return leads, parts(clip[2:], tone(rng) if chance < .72 else shape)

    def alone(self, rng):
        """No lead: a band without its own, else music, ambience or noise."""
        if rng.random() >= ALONE:
            return self.rest(rng, rng.choice(["sm"] * 6 + ["sa", "no"]))
        recorded = rng.random() < .5 and self.pool.count("bands")
        clip = self.pool.clip(rng, "bands" if recorded else "pairs")
        return self.sources(rng, clip[2:], swap=rng.random() < .5)

    def put(self, leads, rest, mono, decibel, planes, bands, i):
        """A mixture as the i-th: its planes and features."""
        parts = (Part * 8)()
        keep = leads + rest
        for part, (bins, shape, left, right, pause, resume) in zip(parts, keep):
            if mono:
                left = (left + right) / 2
            part.bins, part.tone = bins.ctypes.data, shape.ctypes.data
            part.gain[:] = left, right
            part.pause, part.resume = pause, resume
        assert self.library.mix(
            self.frames, 1 if mono else 2, parts, len(leads), len(keep),
            ctypes.c_float(decibel), output(planes, i),
            ctypes.c_void_p(self.mean.data_ptr()),
            ctypes.c_void_p(self.scale.data_ptr()),
            ctypes.byref(Bands(bands, i)))

    def mixture(self, rng, kind, planes, bands, i):
        mono = rng.random() < MONO
        if kind == "le":
            leads, rest = self.pair(rng)
        elif kind == "bg":
            leads, rest = [], self.alone(rng)
        else:
            leads = self.lead(rng, kind)
            rest = self.rest(rng, kind) if kind != "fg" else []
        self.put(leads, rest, mono, rng.uniform(*LEVELS[kind == "le"]), planes,
                 bands, i)
        return kind, "mono" if mono else "stereo"

    def batch(self, rng, count, kinds=None):
        """Energy, common, lead: (count, frames, 2, BINS); features; names."""
        planes = [torch.empty(count, self.frames, 2, BINS) for _ in range(3)]
        bands = arrays(count, self.frames, model.FEATURES)
        names = [self.mixture(rng, kinds[i] if kinds else rng.choices(
            *zip(*CHANCES.items()))[0], planes, bands, i) for i in range(count)]
        return planes, bands, names
