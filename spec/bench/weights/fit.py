#!/usr/bin/env python3
"""Fits the weights of the engine's mask, and prints the table for
csrc/engine/weights.c.

  fit.py ENGINE [MIXTURES [SEED]]

ENGINE is the program build/bench/engine, which computes the features.  The
mixtures are made of real recordings out of Debian's packages (the list is
below; RECORDINGS says where they are unpacked, if not installed); none of
them is among those that spec/bench/separation measures with.

The model is the logistic function of 25 weighted features and a bias.  What
is maximised is what counts in the end, the gain over the mixture in dB: of SDR
and of SI-SDR, of the foreground and, counted half, of the background, each
estimated from some points of the spectrogram.  (A fit to the ideal mask by
cross entropy gains less: it has no notion of a ratio in each recording.)

A table is worth its place in the engine only if spec/bench/separation gains by
it: on what is mixed here any fit wins.

Needs python3-numpy and ffmpeg.  Takes about 5 s of one core per mixture, and
some minutes for the fit.  The same arguments give the same table."""

import concurrent.futures
import glob
import os
import subprocess
import sys
import tempfile

import numpy as np

RATE, N, HOP, BINS = 44100, 4096, 1024, 1487
SECONDS = 10
POINTS = 8000  # that are kept of one mixture
STEPS, BATCH, RATE_OF_STEPS = 1500, 16, 4e-3
FLOOR = 3e-3  # what a ratio is kept above while fitting: 25 dB
ROOT = os.environ.get("RECORDINGS", "/")

NAMES = ("med3s h_3 h_8 p200 p1k comb combv vz sal act fgsh loc rel pan1 pan2 "
         "pang st").split()
FIELDS = ("TIME_LONG TIME_SHORT TIME_MIDDLE BAND_NARROW BAND_WIDE COMB "
          "COMB_VOICED VOICED SALIENCE ACTIVE SHARE LOCAL_SHARE RISE OFF_AXIS "
          "OFF_AXIS_SMOOTH OFF_AXIS_MEAN STEREO").split()

# Triangles over log frequency, as csrc/engine/mask.c has them.
HATS = np.maximum(0, 1 - np.abs(
    np.log2(np.maximum(np.arange(BINS) * RATE / N, 20) / 60)[:, None]
    - np.arange(9))).astype(np.float32)

# kind, package, pattern
RECORDINGS = (
    ("speech", "fillets-ng-data-cs",
     "usr/share/games/fillets-ng/sound/*/cs/*.ogg"),
    ("speech", "ktuberling-data", "usr/share/ktuberling/sounds/*/*.ogg"),
    ("speech", "asterisk-core-sounds-fr-g722",
     "usr/share/asterisk/sounds/fr_CA_f_June/*.g722"),
    ("music", "singularity-music",
     "usr/share/games/singularity/music/*.ogg"),
    ("music", "planetblupi-music-ogg", "usr/share/planetblupi/music/*.ogg"),
    ("music", "marsshooter-data",
     "usr/share/games/marsshooter/audio/music/*.ogg"),
    ("music", "fillets-ng-data", "usr/share/games/fillets-ng/music/*.ogg"),
    ("ambience", "sonic-pi-samples",
     "usr/share/sonic-pi/samples/ambi_*.flac"),
    ("ambience", "sonic-pi-samples",
     "usr/share/sonic-pi/samples/loop_*.flac"),
    ("ambience", "sonic-pi-samples",
     "usr/share/sonic-pi/samples/vinyl_hiss.flac"),
    ("ambience", "gnome-shell-pomodoro-data",
     "usr/share/gnome-pomodoro/sounds/clock.ogg"),
    ("song", "fretsonfire-songs-muldjord",
     "usr/share/games/fretsonfire/data/songs/muldjord/*/song.ogg"),
)

# These spec/bench/separation measures with.
SPARED = ("ambi_sauna.flac", "loop_3d_printer.flac")


# --- recordings --------------------------------------------------------------

def find_recordings():
    """Paths by kind, by package."""
    found, missing = {}, set()
    for kind, package, pattern in RECORDINGS:
        paths = [path for path in sorted(glob.glob(os.path.join(ROOT, pattern)))
                 if os.path.basename(path) not in SPARED]
        if paths:
            found.setdefault(kind, {}).setdefault(package, []).extend(paths)
        else:
            missing.add(package)
    if missing:
        sys.exit("fit.py: recordings are missing; apt-get install "
                 "--no-install-recommends " + " ".join(sorted(missing)))
    return found


def decode(path, channels, start=0.0, seconds=None):
    limit = ["-t", str(seconds)] if seconds else []
    raw = subprocess.run(
        ["ffmpeg", "-v", "quiet", "-nostdin", "-ss", str(start), *limit,
         "-i", path, "-map", "0:a:0", "-ar", str(RATE), "-ac", str(channels),
         "-f", "f32le", "-"], stdout=subprocess.PIPE, check=True).stdout
    return np.frombuffer(raw, np.float32).reshape(-1, channels)


def duration(path):
    words = subprocess.run(
        ["ffprobe", "-v", "quiet", "-show_entries", "format=duration", "-of",
         "csv=p=0", path], stdout=subprocess.PIPE, check=True).stdout
    return float(words) if words.strip() not in (b"", b"N/A") else 0.0


def to_length(x):
    count = SECONDS * RATE
    while len(x) < count:
        x = np.concatenate([x, x])
    return x[:count]


def pick(rng, kinds):
    """Packages count alike, however many files they have."""
    package = sorted(kinds)[rng.integers(len(kinds))]
    return kinds[package][rng.integers(len(kinds[package]))], package


def excerpt(rng, path, channels):
    start = rng.uniform(0, max(0.0, duration(path) - SECONDS - 1))
    return to_length(decode(path, channels, start, SECONDS))


def talk(rng, found):
    """One speaker's files, one after the other, with pauses."""
    path, package = pick(rng, found["speech"])
    near = [p for p in found["speech"][package]
            if os.path.dirname(p) == os.path.dirname(path)]
    parts, count = [], 0
    for _ in range(60):
        if count >= SECONDS * RATE:
            break
        one = decode(near[rng.integers(len(near))], 1)
        pause = np.zeros((int(rng.uniform(0.1, 0.9) * RATE), 1), np.float32)
        parts += [one, pause]
        count += len(one) + len(pause)
    return to_length(np.concatenate(parts))


def noise(rng):
    """Steady noise whose spectrum falls by some power of the frequency."""
    count = SECONDS * RATE
    x = np.fft.rfft(rng.standard_normal((count, 2)), axis=0)
    x *= np.maximum(np.arange(len(x)), 50)[:, None] ** -rng.uniform(0, 1)
    return np.fft.irfft(x, count, axis=0).astype(np.float32)


# --- mixtures ----------------------------------------------------------------

def place(rng, lead, channels):
    """A lead in one channel goes to the centre, or to some side."""
    if channels == 1 or lead.shape[1] == 2:
        return lead
    angle = np.pi / 4 + (rng.uniform(-0.6, 0.6) if rng.random() < 0.5 else 0)
    return lead * np.array([[np.cos(angle), np.sin(angle)]], np.float32)


def make_mixture(rng, found):
    """Lead and rest, at a level between -6 and 6 dB."""
    channels = 1 if rng.random() < 1 / 3 else 2
    what = rng.choice(["music", "ambience", "noise", "song"],
                      p=[0.38, 0.27, 0.15, 0.2])
    if what == "song":
        path, _ = pick(rng, found["song"])
        start = rng.uniform(20, duration(path) - SECONDS - 1)
        guitar = os.path.join(os.path.dirname(path), "guitar.ogg")
        lead_channels = 1 if rng.random() < 0.5 else channels
        lead = to_length(decode(guitar, lead_channels, start, SECONDS))
        rest = to_length(decode(path, channels, start, SECONDS))
    else:
        lead = talk(rng, found)
        rest = (noise(rng)[:, :channels] if what == "noise" else
                excerpt(rng, pick(rng, found[what])[0], channels))
    lead = place(rng, lead, channels)
    energy = np.sum(lead ** 2) + 1e-9
    lead = lead * np.sqrt(np.sum(rest ** 2) / energy
                          * 10 ** (rng.uniform(-6, 6) / 10))
    peak = np.abs(lead + rest).max() + 1e-9
    return lead * (0.9 / peak), rest * (0.9 / peak), what


def stft(x):
    """As the engine frames it: channel, frame, bin."""
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N) / N))
    frames = -(-(len(x) + N - HOP) // HOP) + 1
    padded = np.zeros(((frames - 1) * HOP + N, x.shape[1]), np.float32)
    padded[N - HOP:N - HOP + len(x)] = x
    cut = np.lib.stride_tricks.sliding_window_view(padded, N, axis=0)[::HOP]
    return np.fft.rfft(cut.transpose(1, 0, 2) * window)[:, :, :BINS]


def features(engine, folder, mixture):
    pcm = np.clip(np.rint(mixture * 32768), -32768, 32767).astype("<i2")
    path = os.path.join(folder, "mixture.wav")
    subprocess.run(
        ["ffmpeg", "-v", "quiet", "-y", "-f", "s16le", "-ar", str(RATE), "-ac",
         str(mixture.shape[1]), "-i", "-", path], input=pcm.tobytes(),
        check=True)
    subprocess.run(
        [engine, path, os.path.join(folder, "f.flac"),
         os.path.join(folder, "b.flac"), "--dump", folder],
        stdout=subprocess.DEVNULL, check=True)
    return [np.fromfile(os.path.join(folder, name + ".f32"), "<f4")
            for name in NAMES]


def measure(engine, lead, rest):
    """At each point: features, the part of the mixture that is the lead (in
    phase), the mixture's energy; and the lead's share in all energy."""
    with tempfile.TemporaryDirectory() as folder:
        planes = features(engine, folder, lead + rest)
    x, mixture = stft(lead), stft(lead + rest)
    energy = (np.abs(mixture) ** 2).mean(0)
    part = np.real(x * mixture.conj()).mean(0) / (energy + 1e-12)
    share = (np.abs(x) ** 2).mean(0).sum() / energy.sum()
    return (np.stack(planes, axis=1).astype(np.float16),
            np.clip(part, -1, 2).astype(np.float16).ravel(),
            (energy / energy.sum()).astype(np.float32).ravel(), float(share))


def choose(rng, x, part, energy, share):
    """Some points, by the root of their energy, so that few have nearly all
    of it; the energy becomes their weight."""
    energy = energy.astype(np.float64)
    chance = np.sqrt(energy) / np.sqrt(energy).sum()
    at = rng.choice(len(energy), POINTS, p=chance)
    weight = energy[at] / chance[at]
    hats = HATS[at % BINS]
    return (np.concatenate([x[at].astype(np.float32), hats], axis=1),
            part[at].astype(np.float32),
            (weight / weight.sum()).astype(np.float32), share)


def points_of(engine, found, seed, count):
    """Those of a row of mixtures, and what these are."""
    rng, points = np.random.default_rng(seed), []
    for i in range(count):
        lead, rest, what = make_mixture(rng, found)
        points.append(choose(np.random.default_rng((seed, i)),
                             *measure(engine, lead, rest)) + (what,))
        print(f"{i + 1} of {count} of row {seed}: {what}", file=sys.stderr)
    return points


# --- the fit -----------------------------------------------------------------

def products(mask, part, weight, share):
    """Of estimate and truth with each other and themselves, in units of the
    mixture's energy."""
    share = np.maximum(share, FLOOR)
    both = np.maximum((weight * mask * part).sum(1), FLOOR * share)
    own = (weight * mask * mask).sum(1)
    off = np.maximum(share - 2 * both + own, FLOOR * share)
    off_scaled = np.maximum(share * own - both ** 2, FLOOR * both ** 2)
    return share, both, own, off, off_scaled


def gains(mask, part, weight, share):
    """SDR and SI-SDR in dB, and how each grows with the mask."""
    share, both, own, off, off_scaled = products(mask, part, weight, share)
    decibel = 10 / np.log(10)
    along, self = weight * part, 2 * weight * mask
    sdr = -decibel * (self - 2 * along) / off[:, None]
    si_sdr = decibel * ((2 / both + 2 * both / off_scaled)[:, None] * along
                        - (share / off_scaled)[:, None] * self)
    return (decibel * np.log(share / off),
            decibel * np.log(both ** 2 / off_scaled), sdr, si_sdr)


def slope(mask, part, weight, share):
    """How the mean of all four grows with the mask; the foreground's twice."""
    rest = 1 - 2 * (weight * part).sum(1) + share
    _, _, a, b = gains(mask, part, weight, share)
    _, _, c, d = gains(1 - mask, 1 - part, weight, rest)
    return (2 * a + 2 * b - c - d) / 6


def mask_of(x, theta):
    return 1 / (1 + np.exp(-(x @ theta[:-1] + theta[-1])))


def fit(rng, x, part, weight, share):
    """Adam, on features of one scale; the last weight is the bias."""
    mean = x.mean((0, 1))
    scale = x.std((0, 1)) + 1e-3
    theta = np.zeros(x.shape[2] + 1, np.float32)
    momentum, power = np.zeros_like(theta), np.zeros_like(theta)
    for step in range(1, STEPS + 1):
        at = rng.choice(len(x), min(BATCH, len(x)), replace=False)
        z = (x[at] - mean) / scale
        mask = mask_of(z, theta)
        up = slope(mask, part[at], weight[at], share[at]) * mask * (1 - mask)
        down = -np.append(np.einsum("ij,ijk->k", up, z), up.sum()) / len(at)
        momentum = 0.9 * momentum + 0.1 * down
        power = 0.999 * power + 0.001 * down ** 2
        rate = (RATE_OF_STEPS * min(1, step / 50)
                * (0.5 + 0.5 * np.cos(np.pi * step / STEPS) + 0.01))
        theta -= (rate * (momentum / (1 - 0.9 ** step))
                  / (np.sqrt(power / (1 - 0.999 ** step)) + 1e-8))
    weights = theta[:-1] / scale
    return np.append(weights, theta[-1] - (weights * mean).sum())


def report(x, part, weight, share, what, theta):
    """Gains over the mixture in dB, foreground, by kind."""
    rows = [a - b for a, b in zip(
        gains(mask_of(x, theta), part, weight, share)[:2],
        gains(np.ones_like(part), part, weight, share)[:2])]
    for kind in sorted(set(what)):
        at = [i for i, one in enumerate(what) if one == kind]
        print(f"/* {kind} ({len(at)}): SDR {rows[0][at].mean():.2f}, "
              f"SI-SDR {rows[1][at].mean():.2f} */")


def print_table(theta):
    print(f"  .bias = {theta[-1]:.4f}F,\n  .of =\n    {{")
    fields = FIELDS + [f"HAT + {i}" for i in range(9)]
    for field, value in zip(fields, theta):
        print(f"      [FEATURE_{field}] = {value:.4f}F,")
    print("    },")


def print_fit(parts, seed):
    x, part, weight, share = (np.stack([p[i] for p in parts])
                              for i in range(4))
    theta = fit(np.random.default_rng(seed), x, part, weight, share)
    report(x, part, weight, share, [p[4] for p in parts], theta)
    print_table(theta)


def main():
    engine = os.path.abspath(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 180
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 101
    found = find_recordings()
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        rows = [pool.submit(points_of, engine, found, seed + i, count // 2)
                for i in range(2)]
        parts = [point for row in rows for point in row.result()]
    print_fit(parts, seed)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
