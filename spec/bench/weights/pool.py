#!/usr/bin/env python3
"""The pool that the network is trained on: spectrograms of 8 s out of packages
that fetch.sh has unpacked, and of what synth.py has made.

  pool.py list        minutes are not known before reading: files and MB
  pool.py v           the part that only validates
  pool.py 0 1 2 …     parts 0, 1, 2 … of the training part; see PART

A spectrogram is that of the engine: frames of 4096 samples, 1024 apart, square
root of Hann; the lowest 1024 bins, to 11 kHz, as float16.  The same number
gives the same part."""

import fnmatch
import glob
import os
import random
import sys
import time

import numpy as np
import scipy.fft as fft
import soundfile
from scipy.signal import butter, lfilter, resample_poly, sosfilt

RATE, N, HOP, BINS = 44100, 4096, 1024, 1024
SECONDS = 8
LENGTH = SECONDS * RATE
FRAMES = LENGTH // HOP
DATA = os.environ.get("WEIGHTS_DATA", "build/weights")
ROOT = os.path.join(DATA, "root/")
WINDOW = np.sqrt(.5 - .5 * np.cos(2 * np.pi * np.arange(N) / N)).astype("f4")
LEVEL = .1  # root mean square of whatever is in the pool

# A part of the training pool, an hour, and what validates.
PART = dict(speech=90, sung=50, wet=45, music=115, ambience=90, noise=8,
            pairs=40, bands=30, bass=24, solos=40)
VALIDATION = dict(speech=36, sung=16, wet=10, music=28, ambience=24, pairs=12,
                  bass=4, solos=6)

# Kept for measuring, with all of their speakers; never read here.
HELD_OUT = """
*/briefcase/* */gods/cs/* */ending/cs/* */start/nl/* */elk/en/* *csound-doc*
*/voice/en/* */voice/de/* *traveling_minstrels* *love_theme* *northerners*
*elvish-theme* *irelands_coast* *newfrontier* *uh_gameplay3* *town_theme*
*title_theme* *hr-savino-caribbean* *hr3-desert* *hr-savino-palace* *rybky04*
*rain.ogg *wind_loop* *main_square* *sheepfield* *campfire* *armygeddon*
*Feelings* */rain*""".split()

# Kind, part, pattern; the first word of a pattern is the package.
SOURCES = [line.split() for line in """
speech t fillets-ng-data-cs/**/cs/*.ogg
speech t ktuberling-data/**/*.ogg
speech t klettres-data/**/*.ogg
speech t tuxpaint-stamps-default/**/*_desc*.ogg
speech t asterisk-core-sounds-es-g722/**/*.wav
speech t asterisk-core-sounds-fr-g722/**/*.wav
speech t asterisk-core-sounds-ru-g722/**/*.wav
speech t asterisk-prompt-it-menardi-wav/**/*.wav
speech t asterisk-prompt-fr-armelle/**/*.wav
speech t asterisk-prompt-es-co/**/*.wav
speech t unknown-horizons/**/voice/fr/**/*.ogg
speech t hedgewars-data/**/voices/*/*.ogg
speech t lines-t/*.wav
speech v asterisk-core-sounds-it-g722/**/*.wav
speech v warzone2100-data/**/memressp/**/*.ogg
speech v lines-v/*.wav
music t wesnoth-1.16-music/**/*.ogg
music t hyperrogue-music/**/*.ogg
music t unknown-horizons/**/audio/music/*.ogg
music t flare-game/**/music/*.ogg
music t fillets-ng-data/**/music/*.ogg
music t planetblupi-music-ogg/**/*.ogg
music t marsshooter-data/**/music/*.ogg
music t nexuiz-music/**/*.ogg
music t hedgewars-data/**/Music/*.ogg
music t extremetuxracer-data/**/music/*.ogg
music t fretsonfire-songs-muldjord/**/song.ogg
music t supertuxkart-data/**/music/*.ogg
music t lincity-ng-data/**/music/**/*.ogg
music t naev-data/**/music/*.ogg
music t widelands-data/**/music/*.ogg
music t supertux-data/**/music/**/*.ogg
music t freedroidrpg-data/**/music/*.ogg
music t megaglest-data/**/music/*.ogg
music t frozen-bubble-data/**/*.ogg
music t 0ad-data/**/audio/music/*.ogg
music t fretsonfire-songs-sectoid/**/song.ogg
music t songs-t/band*.wav
music v singularity-music/**/*.ogg
music v warzone2100-music/**/*.opus
ambience t flare-game/**/soundfx/environment/*.ogg
ambience t flare-game/**/soundfx/*.ogg
ambience t unknown-horizons/**/audio/sounds/*.ogg
ambience t fillets-ng-data/**/en/*.ogg
ambience t hedgewars-data/**/Sounds/*.ogg
ambience t supertuxkart-data/**/sfx/*.ogg
ambience t widelands-data/**/sound/**/*.ogg
ambience t wesnoth-1.16-data/**/sounds/ambient/**/*.ogg
ambience t supertux-data/**/sounds/*.*
ambience t freedroidrpg-data/**/effects/**/*.ogg
ambience t megaglest-data/**/commondata/sounds/*.*
ambience t megaglest-data/**/water_sounds/*.*
ambience t 0ad-data/**/audio/ambient/**/*.ogg
ambience t 0ad-data/**/audio/attack/fire/*.ogg
ambience t 0ad-data/**/audio/resource/**/*.ogg
ambience t flightgear-data-base/**/Sounds/*.wav
ambience t endless-sky-data/**/sounds/*.wav
ambience t tuxpaint-stamps-default/**/*.ogg
ambience v colobot-common-sounds/**/*.*
""".strip().split("\n")]
AUDIO = (".ogg", ".wav", ".opus")


def held_out(path):
    return any(fnmatch.fnmatch(path, pattern) for pattern in HELD_OUT)


def books(kind, part):
    """Name of each source of that kind to its files."""
    found = {}
    for k, p, pattern in SOURCES:
        if (k, p) != (kind, part):
            continue
        files = [f for f in sorted(glob.glob(ROOT + pattern, recursive=True))
                 if f.endswith(AUDIO) and not held_out(f)
                 and os.path.getsize(f) > 3000
                 and not (kind == "ambience" and "_desc" in f)]
        if files:
            found[pattern] = files
    return found


def read(path, start=0.0, seconds=None):
    """Samples (n, channels) and their rate; `seconds` from a `start` of 0..1."""
    with soundfile.SoundFile(path) as file:
        count = len(file)
        if seconds and count > seconds * file.samplerate:
            count = int(seconds * file.samplerate)
            file.seek(int(start * (len(file) - count)))
        return file.read(count, "float32", always_2d=True), file.samplerate


def to_rate(x, rate, speed=1.0):
    """To 44.1 kHz, played `speed` times as fast."""
    up, down = round(RATE / speed / 50), round(rate / 50)
    if up == down:
        return x
    common = np.gcd(up, down)
    return resample_poly(x, up // common, down // common, axis=0).astype("f4")


def rms(x):
    return float(np.sqrt(np.mean(x * x) + 1e-12))


def level(x):
    """At the level of the pool; None when there is nothing to hear."""
    return (x / rms(x) * LEVEL).astype("f4") if rms(x) > 1e-6 else None


def without_ends(x):
    """Without silence at the ends."""
    e = np.add.reduceat(np.abs(x), np.arange(0, max(1, len(x)), 256))
    on = np.flatnonzero(e > .02 * e.max())
    return x[on[0] * 256:on[-1] * 256 + 256] if len(on) else x[:0]


def noise_of(rng):
    return np.random.RandomState(rng.randrange(2 ** 31))


def source(rng, book):
    """One of them; those of few files more rarely."""
    names = sorted(book)
    return rng.choices(names, [min(40, len(book[n])) for n in names])[0]


def utterances(rng, book):
    """Files of one speaker, as far as folders tell."""
    name = source(rng, book)
    path = rng.choice(book[name])
    for who in ("-m-", "-v-"):
        if name.startswith("fillets") and who in path:
            return [p for p in book[name] if who in p]
    return [p for p in book[name]
            if os.path.dirname(p) == os.path.dirname(path)]


def talk(rng, book):
    """Utterances of one speaker, with pauses, all at one speed."""
    files = utterances(rng, book)
    speed = rng.choice([1, 1, rng.uniform(.84, 1.2)])
    parts, n = [np.zeros(int(rng.uniform(0, .6) * RATE), "f4")], 0
    for _ in range(30):
        if n >= LENGTH:
            break
        x, rate = read(rng.choice(files))
        x = without_ends(to_rate(x.mean(1, keepdims=True), rate, speed)[:, 0])
        if len(x) < 3000 or rms(x) < 1e-4:
            continue
        x = level(x) * 10 ** (rng.gauss(0, 1.5) / 20)
        pause = int(rng.choice([.1, .25, rng.uniform(0, 1.2)]) * RATE)
        parts += [x, np.zeros(pause, "f4")]
        n += len(x) + pause
    x = np.concatenate(parts)[:LENGTH]
    return np.pad(x, (0, LENGTH - len(x))).astype("f4")


# --- singing: what is spoken, on a pulse train that follows a melody ----------

GRAIN, STRIDE = 1024, 256
SCALES = ([0, 2, 4, 5, 7, 9, 11, 12], [0, 2, 3, 5, 7, 8, 10, 12],
          [0, 3, 5, 7, 10, 12])
HANN = np.hanning(GRAIN + 1)[:GRAIN].astype("f4")


def grains(x):
    return np.lib.stride_tricks.sliding_window_view(
        np.pad(x, (0, GRAIN)), GRAIN)[::STRIDE] * HANN


def envelopes(rng, speech):
    """Smooth spectra of what is loud, and how voiced each is."""
    magnitude = np.abs(fft.rfft(grains(np.pad(speech, (GRAIN, 0))), axis=1))
    magnitude += 1e-5
    cepstrum = fft.irfft(np.log(magnitude), axis=1)
    cepstrum[:, 50:-49] = 0
    smooth = np.exp(fft.rfft(cepstrum, axis=1).real)
    formants = rng.uniform(.88, 1.15)
    smooth = smooth[:, np.clip(np.arange(smooth.shape[1]) / formants, 0,
                               smooth.shape[1] - 1).astype(int)]
    power = magnitude ** 2
    low, high = power[:, 2:40].sum(1), power[:, 90:].sum(1)
    voiced = 1 / (1 + ((high + 1e-6) / (low + 1e-6)) ** 2.5)
    loud = power.sum(1) > 1e-3 * power.sum(1).max()
    return smooth[loud], voiced[loud]


def melody(rng, count):
    """Pitch in Hz and loudness of each of `count` grains."""
    scale = rng.choice(SCALES)
    k, note, gate = rng.randrange(len(scale)), [], []
    while len(note) < count:
        n = int(rng.choice([.18, .3, .45, .6, .9, 1.5]) * RATE / STRIDE)
        k = min(len(scale) - 1, max(0, k + rng.choice([-2, -1, -1, 0, 1, 1, 2])))
        note += [scale[k]] * n
        gate += [float(rng.random() >= .12)] * n
    note, gate = np.array(note[:count], float), np.array(gate[:count])
    a = rng.uniform(.6, .9)
    note = lfilter([1 - a], [1, -a], note - note[0]) + note[0]
    gate = lfilter([.25], [1, -.75], gate)
    held = lfilter([.02], [1, -.98],
                   np.abs(np.diff(note, prepend=note[0])) < .02)
    vibrato = rng.uniform(0, .7) * held * np.sin(
        2 * np.pi * rng.uniform(4.5, 6.5) * np.arange(count) * STRIDE / RATE)
    drift = lfilter([.03], [1, -.97], noise_of(rng).randn(count)) * .2
    base = rng.choice([rng.uniform(100, 180), rng.uniform(180, 330),
                       rng.uniform(250, 420)])
    return base * 2 ** ((note + vibrato + drift) / 12), gate


def sing(rng, speech):
    envelope, voiced = envelopes(rng, speech)
    if len(envelope) < 30:
        return None
    count = LENGTH // STRIDE + 5
    clock = np.cumsum(1 + rng.uniform(.6, 3) * voiced)  # lingers on vowels
    at = np.interp(np.arange(count) % clock[-1], clock, np.arange(len(clock)))
    i = np.clip(at.astype(int), 0, len(envelope) - 2)
    f = (at - i)[:, None].astype("f4")
    envelope = envelope[i] * (1 - f) + envelope[i + 1] * f
    voiced = voiced[i][:, None]
    pitch, gate = melody(rng, count)
    n = count * STRIDE
    phase = np.cumsum(2 * np.pi / RATE * np.interp(
        np.arange(n) / STRIDE, np.arange(count), pitch))
    harmonics = int(15000 / pitch.max())
    s = np.sin(phase / 2)
    flat = np.abs(s) < 1e-4
    pulses = np.where(flat, 2 * harmonics + 1, np.sin(
        (2 * harmonics + 1) * phase / 2) / np.where(flat, 1, s)) - 1
    spectra = lambda y: fft.rfft(grains(y.astype("f4"))[:count], axis=1)
    y = envelope * gate[:, None] * (
        spectra(pulses / np.sqrt(2 * harmonics)) * voiced
        + spectra(noise_of(rng).randn(n)) * (
            1 - voiced + rng.uniform(.02, .15)))
    y = fft.irfft(y, n=GRAIN, axis=1) * HANN
    out = np.zeros(n + GRAIN, "f4")
    for j in range(count):
        out[j * STRIDE:j * STRIDE + GRAIN] += y[j]
    return level(out[:LENGTH])


def room(rng, x):
    """In a stereo room: early echoes, and a tail that darkens."""
    noise = noise_of(rng)
    t60, wet = rng.uniform(.15, 1.1), rng.uniform(.1, .5)
    n = int(t60 * RATE)
    decay = np.exp(-6.9 * np.arange(n) / n)
    dark = butter(1, rng.uniform(2500, 7000), fs=RATE, output="sos")
    angle = np.pi / 4 + rng.choice([0, 0, rng.uniform(-.5, .5)])
    size = fft.next_fast_len(len(x) + n)
    spectrum, out = fft.rfft(x, size), []
    for gain in (np.cos(angle), np.sin(angle)):
        h = sosfilt(dark, noise.randn(n)) * decay
        delay = int(rng.uniform(.004, .025) * RATE)
        h[:delay] = 0
        for _ in range(6):
            h[rng.randrange(delay // 2, min(n, 3 * delay))] += (
                noise.randn() * np.abs(h).max())
        h *= wet / np.sqrt(np.sum(h * h))
        tail = fft.irfft(spectrum * fft.rfft(h.astype("f4"), size), size)
        out.append(gain * x + tail[:len(x)])
    return level(np.stack(out, 1))


# --- music and ambience ------------------------------------------------------


def stereo(x):
    return x[:, :2] if x.shape[1] >= 2 else np.repeat(x, 2, 1)


def some(rng, book, seconds):
    """A passage of a file, in stereo, and its rate."""
    x, rate = read(rng.choice(book[source(rng, book)]), rng.random(),
                   seconds)
    return stereo(x), rate


def bass(rng):
    """A line of low notes in the middle, plucked or held, bare or driven."""
    y, at = np.zeros(LENGTH), 0.0
    beat, low = rng.uniform(.2, .6), rng.uniform(33, 80)
    tilt, drive = rng.uniform(.4, 2.5), rng.choice([0, rng.uniform(1, 6)])
    partials, decay = rng.randint(1, 12), rng.choice([0, rng.uniform(.5, 6)])
    steps = rng.choice([[0, 5, 7, 12], [0, 3, 5, 7, 10], [0, 2, 4, 7, 9]])
    while at < SECONDS:
        i = int(at * RATE)
        n = min(LENGTH - i, int(beat * rng.choice([1, 1, 1, 2, 4]) * RATE))
        t = np.arange(n) / RATE
        hz = low * 2 ** (rng.choice(steps) / 12)
        note = sum(k ** -tilt * np.sin(2 * np.pi * hz * k * t + rng.random())
                   for k in range(1, partials + 1))
        ends = np.minimum(1, np.minimum(t * 80, (t[::-1]) * 40))
        if rng.random() < .85:
            y[i:i + n] += note * ends * np.exp(-decay * t) * rng.uniform(.6, 1)
        at += n / RATE + 1e-3
    if drive:
        y = np.tanh(y * drive / (np.abs(y).max() + 1e-9))
    if rng.random() < .5:
        y = sosfilt(butter(2, rng.uniform(150, 1500), fs=RATE, output="sos"), y)
    return level(np.repeat(y[:, None], 2, 1))


def music(rng, book):
    if rng.random() < .04:
        return bass(rng)
    x, rate = some(rng, book, SECONDS * 1.2)
    x = to_rate(x, rate, rng.choice([1, 1, rng.uniform(.85, 1.15)]))
    if len(x) < 2 * RATE:
        return None
    return level(np.concatenate([x] * (LENGTH // len(x) + 1))[:LENGTH])


def babble(rng, talkers):
    y = np.zeros((LENGTH, 2), "f4")
    for _ in range(rng.randint(4, 9)):
        a = rng.uniform(0, np.pi / 2)
        y += talk(rng, talkers)[:, None] * np.array(
            [np.cos(a), np.sin(a)], "f4") * rng.uniform(.4, 1)
    return level(y)


def noise(rng):
    """Coloured, slowly moving."""
    r = noise_of(rng)
    spectrum = fft.rfft(r.randn(LENGTH, 2).astype("f4"), axis=0)
    f = np.maximum(np.arange(len(spectrum)), 80)
    shape = f ** -rng.uniform(0, 1.2)
    for _ in range(rng.randint(0, 4)):
        c = rng.uniform(100, 9000) * SECONDS
        shape = shape * (1 + rng.uniform(0, 4) * np.exp(
            -.5 * ((f - c) / (c * rng.uniform(.1, .7))) ** 2))
    y = fft.irfft(spectrum * shape[:, None], LENGTH, axis=0)
    slow = lfilter([1e-2], [1, -(1 - 1e-4)], r.randn(LENGTH))
    y *= np.exp(np.clip(slow * rng.uniform(0, .5), -2, 2))[:, None]
    if rng.random() < .5:
        y[:, 1] = y[:, 0]
    return level(y)


def birds(rng):
    """Each of some birds repeats its call, near or far."""
    y = np.zeros((LENGTH, 2), "f4")
    for _ in range(rng.randint(1, 5)):
        a, at = rng.uniform(0, np.pi / 2), rng.uniform(0, 2)
        low, loud = rng.uniform(1500, 6000), rng.uniform(.2, 1)
        call = [(rng.uniform(.03, .25), rng.uniform(.8, 1.5),
                 rng.uniform(.8, 1.5), rng.uniform(0, .08), rng.choice(
                     [0, 0, rng.uniform(20, 90)]))
                for _ in range(rng.randint(1, 7))]
        times, rest = rng.choice([1, 1, 3, 8]), rng.uniform(.3, 3)
        while at < SECONDS - 1:
            for _ in range(times):
                for seconds, first, last, pause, trill in call:
                    n, i = int(seconds * RATE), int(at * RATE)
                    u = np.arange(n) / n
                    pitch = low * first * (last / first) ** u
                    pitch = pitch * (1 + .06 * np.sin(
                        2 * np.pi * trill * u * seconds))
                    tone = np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
                    tone = (tone + rng.uniform(0, .3) * tone ** 2) * np.sin(
                        np.pi * u) * loud * rng.uniform(.6, 1)
                    end = min(LENGTH, i + n)
                    y[i:end] += tone[:max(0, end - i), None] * np.array(
                        [np.cos(a), np.sin(a)], "f4")
                    at += seconds + pause
            at += rest * rng.uniform(.5, 1.5)
    return level(y)


def machine(rng):
    """Hums and whines, whose pitch stays, steps or glides, in strokes."""
    n, t = LENGTH, np.arange(LENGTH) / RATE
    base = rng.choice([rng.uniform(30, 120), rng.uniform(100, 900)])
    kind, pitch = rng.random(), np.full(n, base)
    if kind < .5:
        i = 0
        while i < n:
            end = i + int(rng.choice([.08, .2, .5, 1.5]) * RATE * rng.uniform(
                .7, 1.3))
            pitch[i:end] = base * rng.choice([.5, .75, 1, 1, 1.2, 1.33, 1.5, 2])
            i = end
    elif kind < .75:
        pitch = base * (1 + rng.uniform(0, .6) * np.sin(
            2 * np.pi * rng.uniform(.05, .6) * t))
    phase, y = 2 * np.pi * np.cumsum(pitch) / RATE, np.zeros(n)
    tilt = rng.uniform(.2, 1.6)
    for k in range(1, min(30, int(15000 / pitch.max()))):
        y += rng.uniform(.2, 1) * k ** -tilt * np.sin(k * phase + rng.random())
    strokes = rng.choice([0, rng.uniform(1, 25)])
    if strokes:
        y *= 1 + rng.uniform(.2, 1) * np.sign(np.sin(2 * np.pi * strokes * t))
    y = level(y)
    if y is None:
        return None
    return level(np.repeat(y[:, None], 2, 1) + noise(rng) * rng.uniform(.1, 1))


def crackle(rng):
    """Drops, sparks: short rings at random."""
    y = np.zeros((LENGTH, 2), "f4")
    low, high = sorted(rng.uniform(300, 9000) for _ in range(2))
    for _ in range(int(rng.choice([20, 80, 300]))):
        n, i = int(rng.uniform(.005, .06) * RATE), rng.randrange(LENGTH)
        u, a = np.arange(n) / RATE, rng.uniform(0, np.pi / 2)
        ring = np.sin(2 * np.pi * rng.uniform(low, high) * u) if (
            rng.random() < .6) else noise_of(rng).randn(n)
        ring = ring * np.exp(-6 * u / u[-1]) * rng.random() ** 2
        end = min(LENGTH, i + n)
        y[i:end] += (ring[:end - i, None] * [np.cos(a), np.sin(a)]).astype("f4")
    return level(y + noise(rng) * rng.uniform(0, .1))


def wide(rng, x):
    """Mono at times becomes decorrelated stereo."""
    if rng.random() < .4 or np.mean(
            (x[:, 0] - x[:, 1]) ** 2) > 1e-4 * np.mean(x * x):
        return x
    out, size = [], fft.next_fast_len(len(x) + 2048)
    for c in range(2):
        h = np.zeros(2048, "f4")
        h[0] = .7
        h[40:] = noise_of(rng).randn(2008) * .08 * np.exp(
            -np.arange(2008) / rng.uniform(150, 600))
        out.append(fft.irfft(fft.rfft(x[:, c], size) * fft.rfft(h, size),
                             size)[:len(x)])
    return np.stack(out, 1).astype("f4")


def layer(rng, x):
    """A long sound goes on and on, a short one is scattered."""
    y = np.zeros((LENGTH, 2), "f4")
    if len(x) > 2.5 * RATE:
        n = min(int(.15 * RATE), len(x) // 4)
        rise = np.linspace(0, 1, n, dtype="f4")[:, None]
        out = x
        while len(out) < LENGTH:
            out = np.concatenate([out[:-n], out[-n:] * (1 - rise)
                                  + x[:n] * rise, x[n:]])
        return out[:LENGTH]
    for _ in range(rng.randint(4, 14)):
        at = rng.randrange(0, max(1, LENGTH - len(x)))
        y[at:at + len(x)] += x * rng.uniform(.3, 1)
    return y


def ambience(rng, book, talkers):
    kind = rng.random()
    if kind < .1:
        return babble(rng, talkers)
    if kind < .15:
        return noise(rng)
    y = np.zeros((LENGTH, 2), "f4")
    if kind < .55:
        x = rng.choice([birds, birds, machine, crackle, noise])(rng)
        if x is None or kind < .35:
            return x if x is None else wide(rng, x)
        y += wide(rng, x) * rng.uniform(.2, 1)
    for _ in range(rng.choice([1, 1, 2, 3])):
        x, rate = some(rng, book, SECONDS * 1.6)
        x = to_rate(x, rate, rng.choice([1, rng.uniform(.6, 1.5)]))
        if len(x) > 2000 and rms(x) > 1e-4:
            y += layer(rng, wide(rng, level(x)))
    return level(y)


def songs(part):
    """Leads with the rest of their band: our own."""
    return [(lead, lead.replace("lead", "band"))
            for lead in sorted(glob.glob(f"{ROOT}songs-{part}/lead*.wav"))]


def bands():
    """The same, recorded."""
    leads = sorted(glob.glob(ROOT + "fretsonfire-songs-*/**/guitar.ogg",
                             recursive=True))
    return [(lead, os.path.join(os.path.dirname(lead), "song.ogg"))
            for lead in leads if not held_out(lead)]


def pair(rng, pairs):
    """Four channels: the lead's, then those of the rest."""
    start, out = rng.random(), []
    paths, speed = rng.choice(pairs), rng.choice([1, rng.uniform(.85, 1.15)])
    need = SECONDS * speed + .1
    seconds = min(soundfile.info(p).duration for p in paths) - need
    for path in paths:
        with soundfile.SoundFile(path) as file:
            file.seek(int(max(0, seconds * start) * file.samplerate))
            x = file.read(int(need * file.samplerate), "float32", always_2d=True)
            x = stereo(to_rate(x, file.samplerate, speed))[:LENGTH]
        if rms(x) < 1e-3:
            return None
        out.append(level(np.pad(x, ((0, LENGTH - len(x)), (0, 0)))))
    return np.concatenate(out, 1)


# --- the pool ----------------------------------------------------------------


def spectrogram(x):
    """(n, channels) to (channels, FRAMES, BINS, 2)."""
    x = np.pad(x.T, ((0, 0), (N - HOP, N)))
    out = np.empty((len(x), FRAMES, BINS, 2), "f2")
    for c, samples in enumerate(x):
        s = fft.rfft(np.lib.stride_tricks.sliding_window_view(samples, N)[
            ::HOP][:FRAMES] * WINDOW, axis=1)[:, :BINS]
        out[c, :, :, 0], out[c, :, :, 1] = s.real, s.imag
    return out


def solo(rng, part):
    """A lead without its band."""
    path = rng.choice(sorted(glob.glob(f"{ROOT}solos-{part}/*.wav")))
    x, rate = read(path, rng.random(), SECONDS * 1.2)
    x = to_rate(stereo(x), rate, rng.choice([1, rng.uniform(.85, 1.15)]))
    x = x[:LENGTH]
    return level(np.pad(x, ((0, LENGTH - len(x)), (0, 0))))


def store(path, count, channels, make):
    if os.path.exists(path):
        return
    start, done, odd = time.time(), 0, 0
    out = np.lib.format.open_memmap(path + ".part", "w+", "f2",
                                    (count, channels, FRAMES, BINS, 2))
    while done < count:
        try:
            x = make()
        except (OSError, ValueError, RuntimeError) as fault:  # an odd file
            x, odd = None, odd + 1
            if odd > 200:
                raise fault
        if x is not None:
            out[done] = spectrogram(x.reshape(LENGTH, channels))
            done += 1
    out.flush()
    os.rename(path + ".part", path)
    print(f"{path}: {count} in {time.time() - start:.0f} s", flush=True)


def make(part, tag, counts, seed):
    speech, tunes, sounds = (books(k, part)
                             for k in ("speech", "music", "ambience"))
    pairs, recorded = songs(part), bands()
    rng = random.Random()

    def wet():
        x = talk(rng, speech)
        x = x if rng.random() < .5 else sing(rng, x)
        return x if x is None else room(rng, x)

    kinds = dict(speech=(1, lambda: talk(rng, speech)),
                 sung=(1, lambda: sing(rng, talk(rng, speech))),
                 wet=(2, wet), music=(2, lambda: music(rng, tunes)),
                 ambience=(2, lambda: ambience(rng, sounds, speech)),
                 noise=(2, lambda: noise(rng)),
                 pairs=(4, lambda: pair(rng, pairs)),
                 bands=(4, lambda: pair(rng, recorded)),
                 bass=(2, lambda: bass(rng)),
                 solos=(2, lambda: solo(rng, part)))
    for i, (kind, (channels, function)) in enumerate(kinds.items()):
        rng.seed(seed * 10 + i)
        if kind in counts:
            store(f"{DATA}/pool/{kind}-{tag}.npy", counts[kind], channels,
                  function)


if __name__ == "__main__":
    os.makedirs(DATA + "/pool", exist_ok=True)
    for word in sys.argv[1:]:
        if word == "list":
            for kind, part, pattern in SOURCES:
                files = books(kind, part).get(pattern, [])
                print(kind, part, pattern, len(files), "files", sum(
                    map(os.path.getsize, files)) >> 20, "MB")
        elif word == "v":
            make("v", "v", VALIDATION, 7)
        else:
            make("t", f"t{int(word):02d}", PART, 100 + int(word))
