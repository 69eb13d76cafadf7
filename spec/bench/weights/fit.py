#!/usr/bin/env python3
"""Fits the weights of the engine's mask, and prints the table for
csrc/engine/weights.c.

  fit.py ENGINE [MIXTURES [SEED]]

ENGINE is the program build/bench/engine, which computes the features.  The
mixtures are made of real recordings out of Debian's packages (the list is
below; RECORDINGS says where they are unpacked, if not installed); none of
them is among those that spec/bench/separation measures with.  A model of 25
weights and a bias is fitted by logistic regression to the ideal ratio mask,
each point weighted by the mixture's energy there: what counts is the energy
that ends in the wrong stem.

A table is worth its place in the engine only if spec/bench/separation gains by
it: on what is mixed here any fit wins.

Needs python3-numpy and ffmpeg.  Takes about 5 s of one core per mixture."""

import glob
import os
import subprocess
import sys
import tempfile

import numpy as np

RATE, N, HOP, BINS = 44100, 4096, 1024, 1487
SECONDS = 10
POINTS = 8000  # that are kept of one mixture
RIDGE = 1e-4
ROOT = os.environ.get("RECORDINGS", "/")

NAMES = ("med3s h_3 h_8 p200 p1k comb combv vz sal act fgsh loc rel pan1 pan2 "
         "pang st f0 f1 f2 f3 f4 f5 f6 f7 f8").split()
FIELDS = ("TIME_LONG TIME_SHORT TIME_MIDDLE BAND_NARROW BAND_WIDE COMB "
          "COMB_VOICED VOICED SALIENCE ACTIVE SHARE LOCAL_SHARE RISE OFF_AXIS "
          "OFF_AXIS_SMOOTH OFF_AXIS_MEAN STEREO").split()

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
    """Lead and rest, at a level between -6 and 6 dB.  Few are leads over their
    own accompaniment: what helps those costs voices more."""
    channels = 1 if rng.random() < 1 / 3 else 2
    what = rng.choice(["music", "ambience", "noise", "song"],
                      p=[0.45, 0.3, 0.2, 0.05])
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


def stft_energy(x):
    """Mean energy over channels, as the engine frames it."""
    window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N) / N))
    frames = -(-(len(x) + N - HOP) // HOP) + 1
    padded = np.zeros(((frames - 1) * HOP + N, x.shape[1]), np.float32)
    padded[N - HOP:N - HOP + len(x)] = x
    energy = np.zeros((frames, BINS), np.float32)
    for c in range(x.shape[1]):
        cut = np.lib.stride_tricks.sliding_window_view(padded[:, c], N)[::HOP]
        energy += np.abs(np.fft.rfft(cut * window, axis=1)[:, :BINS]) ** 2
    return energy / x.shape[1]


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


def points_of(rng, engine, folder, found):
    """Some points of a mixture: features, ideal mask, weight."""
    lead, rest, what = make_mixture(rng, found)
    planes = features(engine, folder, lead + rest)
    lead_energy, rest_energy = stft_energy(lead), stft_energy(rest)
    ideal = (lead_energy / (lead_energy + rest_energy + 1e-12)).ravel()
    weight = stft_energy(lead + rest).ravel().astype(np.float64)
    weight /= weight.sum()
    # Points by the root of their energy, so that few have nearly all of it.
    chance = np.sqrt(weight) / np.sqrt(weight).sum()
    at = rng.choice(len(weight), POINTS, p=chance)
    x = np.stack([plane[at] for plane in planes], axis=1)
    w = weight[at] / chance[at]
    return x, ideal[at], w / w.sum(), what


# --- the fit -----------------------------------------------------------------

def fit(x, target, weight):
    """Newton's method on the weighted cross entropy; the last is the bias."""
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    theta = np.zeros(x.shape[1])
    ridge = np.full(x.shape[1], RIDGE)
    ridge[-1] = 0
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ theta, -40, 40)))
        slope = x.T @ (weight * (p - target)) + ridge * theta
        curve = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        theta -= step
        if np.abs(step).max() < 1e-7:
            break
    return theta


def explained(x, target, weight, theta):
    """Share of the ideal mask's variance."""
    p = 1 / (1 + np.exp(-(x @ theta[:-1] + theta[-1])))
    mean = np.sum(weight * target)
    return 1 - (np.sum(weight * (target - p) ** 2)
                / np.sum(weight * (target - mean) ** 2))


def print_table(theta):
    print(f"  .bias = {theta[-1]:.4f}F,\n  .of =\n    {{")
    fields = FIELDS + [f"HAT + {i}" for i in range(9)]
    for field, value in zip(fields, theta):
        print(f"      [FEATURE_{field}] = {value:.4f}F,")
    print("    },")


def main():
    engine = os.path.abspath(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 120
    rng = np.random.default_rng(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    found, parts = find_recordings(), []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(count):
            parts.append(points_of(rng, engine, folder, found))
            print(f"{i + 1} of {count}: {parts[-1][3]}", file=sys.stderr)
    x, target, weight = (np.concatenate([p[i] for p in parts])
                         for i in range(3))
    weight /= weight.sum()
    if "POINTS" in os.environ:  # for a look at other models
        np.savez(os.environ["POINTS"], x=x, target=target, weight=weight)
    theta = fit(x.astype(np.float64), target, weight)
    print(f"/* {count} mixtures; explains "
          f"{explained(x, target, weight, theta):.3f} of the ideal mask */")
    print_table(theta)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
