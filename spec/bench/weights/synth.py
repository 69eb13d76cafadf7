#!/usr/bin/env python3
"""Recordings of our own for the pool: leads with their bands, made up or out of
packaged MIDI files, and leads alone, played by packaged instruments; and lines that
espeak-ng and flite speak.  What is there already stays."""

import glob
import math
import os
import random
import subprocess
import sys

import numpy as np
import soundfile
from scipy.signal import butter, sosfilt

import midi

ROOT = os.path.join(os.environ.get("WEIGHTS_DATA", "build/weights"), "root")
FONTS = (ROOT + "/fluid-soundfont-gm/usr/share/sounds/sf2/FluidR3_GM.sf2",
         ROOT + "/musescore-general-soundfont-small/usr/share/sounds/sf3/"
         "MuseScore_General_Lite.sf3",
         ROOT + "/timgm6mb-soundfont/usr/share/sounds/sf2/TimGM6mb.sf2")
SCORES = ("openttd-openmsx/usr/share/games/openttd/baseset/openmsx/*.mid",
          "planetblupi-music-midi/usr/share/planetblupi/music/*.mid")
ARCHIVES = "freedoom/usr/share/games/doom/*.wad"
LEAD, COMP, BASS, PAD, DRUMS = 0, 1, 2, 3, midi.DRUMS  # channels
SECONDS = 24

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
COMPS = (0, 1, 4, 5, 6, 11, 16, 19, 24, 25, 26, 27, 29, 30, 30, 45, 46, 48, 50,
         61, 62, 80, 88, 89, 90, 95)
PADS = (0, 4, 16, 24, 25, 27, 28, 45, 48, 49, 51, 54, 61, 88, 91, 94, 99)
BASSES = (32, 33, 34, 35, 36, 38, 43, 58)
LEADS = (40, 41, 42, 56, 57, 59, 60, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74,
         75, 21, 22, 26, 27, 29, 29, 30, 30, 30, 80, 81, 52, 53, 54, 85, 78, 79,
         110, 111, 104, 105, 15, 11, 0)
GUITARS = (24, 25, 26, 27, 28, 29, 30, 29, 30)
SOLOS = (68, 68, 69, 70, 71, 71, 72, 73, 73, 74, 75, 40, 40, 41, 42, 42, 56, 57,
         59, 60, 64, 65, 66, 67, 21, 22, 24, 25, 26, 27, 28, 110, 111, 104, 11, 0,
         46, 79)
STRUNG = (0, 24, 25, 26, 27, 28, 46)
LINES = """\
The baker opens at six, but the bread is ready a quarter of an hour earlier.
Nobody had told the new driver which of the two bridges was still closed.
Turn left behind the church, follow the wall, and ask again at the green door.
Eleven of the thirty seats were empty when the curtain finally went up.
If you hear the bell, leave everything where it is and walk to the yard.
My sister keeps bees, my brother keeps promises, and I keep the receipts.
The ferry will be late today because of fog; please wait in the hall.
How many times did you count them, and did you ever get the same number?
In spring the whole valley smells of wet earth, wood smoke and apple trees.
She folded the map, put out the lamp, and listened to the wind for a while.
Enter the four digits of your code now, and finish by pressing the hash key.
Good evening, this is the news; the long drought in the south has ended."""
LANGUAGES = ("en-gb", "en-us", "de", "fr-fr", "es", "it", "pl", "sv", "nl", "ru",
             "cs", "pt-br")
VARIANTS = ("", "+m1", "+m3", "+m5", "+f1", "+f2", "+f3", "+f4")


# --- songs: (channel, beat, beats, key, velocity) of each note ----------------


def drums(rng, bars):
    kicks = rng.choice([[0, 2], [0, 1, 2, 3], [0, 1.75, 2.5], [0, .5, 2.5]])
    hat = rng.choice([.25, .5, .5, 1])
    for bar in range(bars):
        beat = bar * 4
        for k in kicks:
            yield DRUMS, beat + k, .2, 36, rng.randint(85, 120)
        for k in (1, 3):
            yield DRUMS, beat + k, .2, rng.choice([38, 38, 40]), rng.randint(
                80, 120)
        for i in range(int(4 / hat)):
            yield DRUMS, beat + i * hat, .1, rng.choice(
                [42, 42, 42, 46, 51]), rng.randint(45, 95)
        if bar % 4 == 3 and rng.random() < .5:
            for i in range(4):
                yield DRUMS, beat + 3 + i * .25, .1, rng.choice(
                    [41, 45, 47, 50]), 100
        if bar % 4 == 0:
            yield DRUMS, beat, 1, 49, 90


def harmony(rng, bars, note, degrees):
    """Chords, bass and pad; note maps a degree of the scale to a key."""
    rhythm = rng.choice([[0, 1, 2, 3], [0, .5, 1, 1.5, 2, 2.5, 3, 3.5],
                         [0, 1.5, 3], [0], [0, .75, 1.5, 2.5, 3.25]])
    low = rng.choice([[0, 2], [0, 1, 2, 3], [0, .5, 1, 1.5, 2, 2.5, 3, 3.5],
                      [0, 1.5, 2, 3.5]])
    arpeggio = rng.random() < .4
    for bar in range(bars):
        beat, degree = bar * 4, degrees[bar % 4]
        chord = [note(degree + i) + 12 for i in (0, 2, 4)]
        for i, k in enumerate(rhythm):
            if arpeggio:
                yield COMP, beat + k, .9, chord[i % 3] + 12 * (
                    i // 3 % 2), rng.randint(55, 95)
            else:
                for key in chord:
                    yield COMP, beat + k, (.45 if len(rhythm) > 4 else
                                           .9), key, rng.randint(55, 95)
        for k in low:
            yield BASS, beat + k, .45, note(degree) - 12 + 12 * (
                rng.random() < .1), rng.randint(75, 105)
        for key in chord:
            yield PAD, beat, 4, key + rng.choice([0, 0, 12]), rng.randint(40, 75)


LENGTHS = dict(quick=[.25, .25, .25, .5, .5, 1, 2], held=[1, 2, 2, 3, 4],
               even=[.25, .5, .5, .5, 1, 1, 1.5, 2])  # beats


def melody(rng, bars, note, pace="even"):
    beat, degree, lengths = 0.0, rng.randint(7, 14), LENGTHS[pace]
    while beat < bars * 4 - 2:
        beats = rng.choice(lengths)
        if rng.random() >= .18:
            degree = min(20, max(5, degree + rng.randint(-2, 2)))
            yield LEAD, beat, beats * rng.choice([.95, .95, .7]), note(
                degree) + 12, rng.randint(80, 115)
        beat += beats


def riff(rng, bars, note, degrees):
    """Two or three strings at a time, damped now and then."""
    grid = rng.choice([.25, .5, .5])
    strokes = [rng.random() < .75 for _ in range(int(4 / grid))]
    damped = [rng.random() < .5 for _ in strokes]
    shape = rng.choice([(0, 7), (0, 7, 12), (0, 4, 7), (0,)])
    for bar in range(bars):
        for i, stroke in enumerate(strokes):
            if not stroke:
                continue
            root = note(degrees[bar % 4] + (
                rng.choice([0, 0, 1, 2, -1]) if not damped[i] else 0))
            for interval in shape[:1] if damped[i] and rng.random(
                    ) < .5 else shape:
                yield (LEAD, bar * 4 + i * grid, grid * (
                    .35 if damped[i] else rng.choice([.95, 1.9])),
                    root + interval, rng.randint(75, 115))


def picked(rng, bars, note, degrees):
    """Chords, string by string or all at once, that ring on."""
    grid, up = rng.choice([.25, .5, .5, 1]), rng.choice([0, 12])
    order = [rng.randrange(5) for _ in range(int(4 / grid))]
    struck = rng.random() < .4
    for bar in range(bars):
        keys = [note(degrees[bar % 4] + i) + up for i in (0, 2, 4, 7, 9)]
        for i, string in enumerate(order):
            if struck and i % 4:
                continue
            for k in range(5) if struck else (string,):
                yield (LEAD, bar * 4 + i * grid + .02 * k * struck,
                       rng.choice([1, 2, 3]), keys[k], rng.randint(70, 110))


def guitar(rng, bars, note, degrees):
    """Riffs, solos and chords by turns."""
    solo, out = rng.random() < .5, []
    other = rng.choice([riff, riff, picked])
    for first in range(0, bars, 4):
        part = (melody(rng, 4, note, rng.choice(["quick", "quick", "held"]))
                if solo else other(rng, 4, note, degrees))
        out += [(c, beat + first * 4, *rest) for c, beat, *rest in part]
        if rng.random() < .4:
            solo = not solo
    return out


def bends(rng, notes):
    """(channel, beat, semitones): vibrato, and tones that are come up to."""
    depth, rate = rng.uniform(0, .5), rng.uniform(1.5, 4)
    rise = rng.choice([0, .1, .3])
    for channel, beat, beats, *_ in notes:
        below = rng.choice([-2, -1]) if rng.random() < rise else 0
        for i in range(int(beats * 16)):
            u = i / 16
            yield channel, beat + u, below * max(0, 1 - u / .25) + (
                depth * min(1, u) * math.sin(2 * math.pi * rate * u))
        yield channel, beat + beats, 0


def to_events(notes, wheel, voices, tempo):
    """voices: channel to (program, pan, volume)."""
    out = []
    for channel, (program, pan, volume) in voices.items():
        out += [(0, 0, bytes([0xC0 | channel, program])),
                (0, 0, bytes([0xB0 | channel, 10, pan])),
                (0, 0, bytes([0xB0 | channel, 7, volume]))]
    for channel, beat, beats, key, velocity in notes:
        out += [(beat * 60 / tempo, 3, bytes([0x90 | channel, key, velocity])),
                ((beat + beats) * 60 / tempo - .002, 1,
                 bytes([0x80 | channel, key, 0]))]
    for channel, beat, semitones in wheel:
        value = min(16383, max(0, int(8192 + 4096 * semitones)))
        out.append((beat * 60 / tempo, 2,
                    bytes([0xE0 | channel, value & 127, value >> 7])))
    return out


def made_up(rng):
    """Events of a lead, and of its band."""
    scale, key = rng.choice([MINOR, MAJOR]), rng.randint(40, 51)
    tempo = rng.randint(70, 160)
    bars = int(SECONDS * tempo / 240) + 1
    note = lambda degree: key + scale[degree % 7] + 12 * (degree // 7)
    pan = lambda: rng.choice([64, rng.randint(0, 127)])
    band = {COMP: (rng.choice(COMPS), pan(), rng.randint(70, 115)),
            BASS: (rng.choice(BASSES), 64, rng.randint(80, 120)),
            PAD: (rng.choice(PADS), pan(), rng.randint(50, 105)),
            DRUMS: (rng.choice([0, 8, 16, 24, 25, 32]), 64,
                    rng.randint(70, 125))}
    degrees = [0] + [rng.choice([0, 3, 4, 5, 2, 1]) for _ in range(3)]
    notes = list(harmony(rng, bars, note, degrees))
    beaten, strung = rng.random() < .8, rng.random() < .5
    if beaten:
        notes += drums(rng, bars)
    if strung:  # the band has no other chords, or soft ones
        for channel in (COMP, PAD):
            if rng.random() < .5:
                notes = [n for n in notes if n[0] != channel]
        tune = guitar(rng, bars, note, degrees)
    else:
        tune = list(melody(rng, bars, note, rng.choice(
            ["quick", "even", "even", "held"])))
    program = rng.choice(GUITARS if strung else LEADS)
    lead = {LEAD: (program, rng.choice([64, 64, rng.randint(10, 117)]), 110)}
    return (to_events(tune, bends(rng, tune), lead, tempo),
            to_events(notes, (), band, tempo), strung)


# --- scores: out of packages --------------------------------------------------


def scores():
    """Events of each, by name."""
    out = {}
    for pattern in SCORES:
        for path in sorted(glob.glob(f"{ROOT}/{pattern}")):
            with open(path, "rb") as file:
                out[path] = file.read()
    for path in sorted(glob.glob(f"{ROOT}/{ARCHIVES}")):
        with open(path, "rb") as file:
            out.update(midi.in_archive(file.read()))
    return {name: midi.read(data) for name, data in sorted(out.items())}


def out_of(rng, events):
    """Of a passage: events of its lead, and of the rest; None without one."""
    start = rng.uniform(0, max(0, events[-1][0] - SECONDS))
    part = midi.passage(events, start, SECONDS)
    leads = midi.leads_of(rng, part, SECONDS)
    rest = set(range(16)) - leads
    if not leads or not any(e[2][0] & 0xF0 == 0x90
                            for e in midi.of_channels(part, rest)):
        return None
    lead = midi.of_channels(part, leads)
    strung = any(e[2][0] & 0xF0 == 0xC0 and e[2][1] in (29, 30) for e in lead)
    if rng.random() < .4:  # by another instrument
        program = rng.choice(GUITARS if strung else LEADS)
        lead = [(at, order, bytes([e[0], program]) if e[0] & 0xF0 == 0xC0 else e)
                for at, order, e in lead]
    return lead, midi.of_channels(part, rest), strung


# --- what it sounds like -------------------------------------------------------


def amplify(rng, path):
    """As a loud amplifier and its box would."""
    x, rate = soundfile.read(path, dtype="float32", always_2d=True)
    x = x.mean(1)
    x = sosfilt(butter(1, rng.uniform(80, 250), "high", fs=rate, output="sos"), x)
    x = x / (np.sqrt(np.mean(x * x)) + 1e-9)
    drive, lean = 10 ** rng.uniform(0, 1.4), rng.uniform(0, .3)
    x = np.tanh(drive * x + lean) - np.tanh(lean)
    x = sosfilt(butter(1, 60, "high", fs=rate, output="sos"), x)
    x = sosfilt(butter(rng.choice([2, 4]), rng.uniform(3000, 6500), fs=rate,
                       output="sos"), x)
    low = sosfilt(butter(1, [rng.uniform(300, 700), rng.uniform(1200, 2500)],
                         "band", fs=rate, output="sos"), x)
    x = x + rng.uniform(-.5, .8) * low
    y = np.stack([x, x], 1)
    if rng.random() < .35:  # the other side comes a little later
        late = int(rng.uniform(.008, .03) * rate)
        y[late:, 1] = x[:-late]
    if rng.random() < .3:  # echoes
        late = int(rng.uniform(.15, .5) * rate)
        for _ in range(2):
            y[late:] += rng.uniform(.15, .35) * y[:-late, ::-1]
    soundfile.write(path, .3 * y / (np.abs(y).max() + 1e-9), rate, "PCM_16")


def song(rng, path, known):
    """The lead's instruments are not always those of its band."""
    found = out_of(rng, known[rng.choice(sorted(known))]) if (
        known and rng.random() < .5) else None
    lead, band, strung = found or made_up(rng)
    reverb, font = rng.random() < .6, rng.choice(FONTS)
    other = rng.choice(FONTS)
    if not os.path.exists(path % "lead"):
        midi.render(band, path % "band", font, reverb)
        midi.render(lead, path % "tune", other, reverb and rng.random() < .7)
        if strung and rng.random() < .7:
            amplify(rng, path % "tune")
        os.rename(path % "tune", path % "lead")


def solo(rng, path):
    """A lead without a band."""
    if os.path.exists(path):
        return
    scale, key = rng.choice([MINOR, MAJOR]), rng.randint(38, 54)
    tempo, program = rng.randint(60, 150), rng.choice(SOLOS)
    bars = int(SECONDS * tempo / 240) + 1

    def note(degree):
        return key + scale[degree % 7] + 12 * (degree // 7)

    if program in STRUNG and rng.random() < .6:
        tune = guitar(rng, bars, note, [0] + [
            rng.choice([0, 3, 4, 5, 2, 1]) for _ in range(3)])
    else:
        tune = list(melody(rng, bars, note, rng.choice(
            ["quick", "even", "even", "held"])))
    voice = {LEAD: (program, rng.choice([64, 64, rng.randint(10, 117)]), 110)}
    midi.render(to_events(tune, bends(rng, tune), voice, tempo), path,
                rng.choice(FONTS), rng.random() < .6)


def line(rng, number, path, voices):
    text = rng.choice(LINES.split("\n"))
    voice = rng.choice(LANGUAGES) + rng.choice(VARIANTS)
    speed, pitch = rng.randint(120, 190), rng.randint(20, 80)
    if number % 2:
        command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch),
                   "-w", path, text]
    else:
        command = ["flite", "-voice", rng.choice(voices), "-t", text, "-o", path]
    if not os.path.exists(path):
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def main(split, songs, known, solos, lines, voices, seed):
    for folder in ("songs-", "lines-", "solos-"):
        os.makedirs(f"{ROOT}/{folder}{split}", exist_ok=True)
    for i in range(songs):
        song(random.Random(seed + i), f"{ROOT}/songs-{split}/%s{i:03d}.wav",
             known)
    for i in range(solos):
        solo(random.Random(9000 + seed + i), f"{ROOT}/solos-{split}/{i:03d}.wav")
    for i in range(lines):
        line(random.Random(seed + i), i, f"{ROOT}/lines-{split}/{i:03d}.wav",
             voices)


if __name__ == "__main__":
    parts = sys.argv[1:] or ["v", "t"]
    if "v" in parts:
        main("v", 10, {}, 6, 10, ("awb",), 5000)
    if "t" in parts:
        main("t", 500, scores(), 200, 100, ("rms", "slt", "kal16"), 0)
