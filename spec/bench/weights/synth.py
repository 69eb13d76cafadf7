#!/usr/bin/env python3
"""Recordings of our own for the pool: bands with a lead, by FluidR3 (MIT), and
lines that espeak-ng and flite speak.  What is there already stays."""

import os
import random
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.environ.get("WEIGHTS_DATA", "build/weights"), "root")
FONT = ROOT + "/fluid-soundfont-gm/usr/share/sounds/sf2/FluidR3_GM.sf2"
LEAD, COMP, BASS, PAD, DRUMS = 0, 1, 2, 3, 9  # channels
SECONDS = 24

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
COMPS = (0, 1, 4, 5, 6, 11, 16, 19, 24, 25, 26, 27, 29, 30, 30, 45, 46, 48, 50,
         61, 62, 80, 88, 89, 90, 95)
PADS = (0, 4, 16, 24, 25, 27, 28, 45, 48, 49, 51, 54, 61, 88, 91, 94, 99)
BASSES = (32, 33, 34, 35, 36, 38, 43, 58)
LEADS = (40, 41, 42, 56, 57, 59, 60, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74,
         75, 21, 22, 26, 27, 29, 29, 30, 30, 30, 80, 81, 52, 53, 54, 85, 78, 79,
         110, 111, 104, 105, 15, 11, 0)
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


def vlq(number):
    """A number as MIDI files have it: seven bits to the byte."""
    out = [number & 127]
    while number > 127:
        number >>= 7
        out.append(number & 127 | 128)
    return bytes(reversed(out))


def midi(notes, voices, tempo):
    """notes: (channel, beat, beats, key, velocity); voices: channel to
    (program, pan, volume)."""
    events = []
    for channel, (program, pan, volume) in voices.items():
        events += [(0, 0, bytes([0xC0 | channel, program])),
                   (0, 0, bytes([0xB0 | channel, 10, pan])),
                   (0, 0, bytes([0xB0 | channel, 7, volume]))]
    for channel, beat, beats, key, velocity in notes:
        events += [
            (int(beat * 480), 2, bytes([0x90 | channel, key, velocity])),
            (int((beat + beats) * 480) - 1, 1, bytes([0x80 | channel, key, 0]))]
    events.sort(key=lambda e: e[:2])
    track, last = b"\0\xff\x51\3" + int(6e7 / tempo).to_bytes(3, "big"), 0
    for at, _, event in events:
        track += vlq(at - last) + event
        last = at
    track += b"\0\xff\x2f\0"
    return (b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk" + len(track).to_bytes(4, "big")
            + track)


def render(notes, voices, tempo, path, reverb):
    with tempfile.TemporaryDirectory() as folder:
        score = folder + "/a.mid"
        with open(score, "wb") as file:
            file.write(midi(notes, voices, tempo))
        subprocess.run(["fluidsynth", "-ni", "-q", "-g", "0.4", "-r", "44100",
                        "-R", str(int(reverb)), "-C", "0", "-T", "wav", "-F",
                        path + ".part", FONT, score], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.rename(path + ".part", path)


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


def harmony(rng, bars, note):
    """Chords, bass and pad; note maps a degree of the scale to a key."""
    degrees = [0] + [rng.choice([0, 3, 4, 5, 2, 1]) for _ in range(3)]
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


def melody(rng, bars, note):
    beat, degree = 0.0, rng.randint(7, 14)
    while beat < bars * 4 - 2:
        beats = rng.choice([.25, .5, .5, .5, 1, 1, 1.5, 2])
        if rng.random() >= .18:
            degree = min(20, max(5, degree + rng.randint(-2, 2)))
            yield LEAD, beat, beats * rng.choice([.95, .95, .7]), note(
                degree) + 12, rng.randint(80, 115)
        beat += beats


def song(rng, path):
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
    notes = list(harmony(rng, bars, note))
    if rng.random() < .75:
        notes += drums(rng, bars)
    lead = {LEAD: (rng.choice(LEADS), rng.choice([64, 64, rng.randint(10, 117)]),
                   110)}
    tune, reverb = list(melody(rng, bars, note)), rng.random() < .6
    if not os.path.exists(path % "lead"):
        render(notes, band, tempo, path % "band", reverb)
        render(tune, lead, tempo, path % "lead", reverb)


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


def main(split, songs, lines, voices, seed):
    for folder in ("songs-", "lines-"):
        os.makedirs(f"{ROOT}/{folder}{split}", exist_ok=True)
    for i in range(songs):
        song(random.Random(seed + i), f"{ROOT}/songs-{split}/%s{i:03d}.wav")
    for i in range(lines):
        line(random.Random(seed + i), i, f"{ROOT}/lines-{split}/{i:03d}.wav",
             voices)


if __name__ == "__main__":
    parts = sys.argv[1:] or ["v", "t"]
    if "v" in parts:
        main("v", 10, 10, ("awb",), 5000)
    if "t" in parts:
        main("t", 200, 100, ("rms", "slt", "kal16"), 0)
