"""MIDI files, read and written, and what fluidsynth makes of them.

Events are (seconds, order at the same time, bytes)."""

import os
import struct
import subprocess
import tempfile

DRUMS = 9
TICKS = 960  # a second
LENGTHS = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}


def vlq(number):
    """A number as MIDI files have it: seven bits to the byte."""
    out = [number & 127]
    while number > 127:
        number >>= 7
        out.append(number & 127 | 128)
    return bytes(reversed(out))


def to_file(events):
    track, last = b"\0\xff\x51\3" + (500000).to_bytes(3, "big"), 0
    for at, _, event in sorted(events, key=lambda e: e[:2]):
        now = int(at * TICKS)
        track += vlq(now - last) + event
        last = now
    track += b"\0\xff\x2f\0"
    return (b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS // 2) + b"MTrk"
            + struct.pack(">I", len(track)) + track)


class Track:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 127
            if byte < 128:
                return value

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def events(self):
        """(tick, bytes) of each event of a channel; of a tempo, its number."""
        tick = status = 0
        while self.at < len(self.data):
            tick += self.number()
            byte = self.byte()
            if byte >= 0xF0:
                kind = self.byte() if byte == 0xFF else byte
                size = self.number()
                body = self.data[self.at:self.at + size]
                self.at += size
                if byte == 0xFF and kind == 0x51:
                    yield tick, int.from_bytes(body, "big")
                continue
            if byte >= 128:
                status, byte = byte, self.byte()
            rest = [self.byte() for _ in range(LENGTHS[status & 0xF0] - 1)]
            yield tick, bytes([status, byte] + rest)


def read(data):
    """Events of a file, in order."""
    division = struct.unpack(">H", data[12:14])[0]
    at, found = 14, []
    while at + 8 <= len(data) and data[at:at + 4] == b"MTrk":
        size = struct.unpack(">I", data[at + 4:at + 8])[0]
        found += Track(data[at + 8:at + 8 + size]).events()
        at += 8 + size
    seconds, last, tempo, out = 0.0, 0, 500000, []
    for tick, event in sorted(found, key=lambda e: e[0]):
        seconds += (tick - last) * tempo / division / 1e6
        last = tick
        if isinstance(event, int):
            tempo = event
        else:
            out.append((seconds, 0, event))
    return out


def in_archive(data):
    """The MIDI files in a game's archive, by name."""
    count, at = struct.unpack("<ii", data[4:12])
    for i in range(count):
        start, size, name = struct.unpack("<ii8s", data[at + 16 * i:at + 16 * i
                                                        + 16])
        if data[start:start + 4] == b"MThd":
            yield name.strip(b"\0").decode(), data[start:start + size]


def passage(events, start, seconds):
    """Notes from `start` on, and whatever else had been set up by then."""
    out, setup = [], {}
    for at, _, event in events:
        kind = event[0] & 0xF0
        if kind in (0x80, 0x90):
            if start <= at < start + seconds:
                out.append((at - start, 2, event))
        elif at < start:
            key = event[:2] if kind == 0xB0 else event[:1]
            setup[key] = (0, 0, event)
        elif at < start + seconds:
            out.append((at - start, 1, event))
    for channel in range(16):
        out.append((seconds, 3, bytes([0xB0 | channel, 123, 0])))
    return list(setup.values()) + out


def of_channels(events, channels):
    return [e for e in events if e[2][0] & 15 in channels]


class Part:
    """What a channel plays."""

    def __init__(self, events, channel):
        sounding, self.keys, self.program, since = {}, [], 0, 0.0
        self.alone = self.together = 0.0  # seconds with one note, with more
        for at, _, event in of_channels(events, {channel}):
            kind, on = event[0] & 0xF0, len(sounding)
            if on == 1:
                self.alone += at - since
            elif on > 1:
                self.together += at - since
            since = at
            if kind == 0x90 and event[2] > 0:
                sounding[event[1]] = at
                self.keys.append(event[1])
            elif kind in (0x80, 0x90):
                sounding.pop(event[1], None)
            elif kind == 0xC0:
                self.program = event[1]

    def leads(self, seconds):
        """Whether it may be heard as the lead: a tune, not too low, for much
        of the time."""
        if len(self.keys) < 12 or self.alone + self.together < .3 * seconds:
            return False
        mean = sum(self.keys) / len(self.keys)
        return (mean >= 53 and len(set(self.keys)) >= 5
                and self.alone > 2 * self.together)

    def is_guitar(self):
        return self.program in (29, 30) and len(self.keys) >= 12


def leads_of(rng, events, seconds):
    """The channels of a lead, or none."""
    parts = {c: Part(events, c) for c in range(16) if c != DRUMS}
    guitars = {c for c, p in parts.items() if p.is_guitar()}
    if guitars and rng.random() < .5:
        return guitars
    tunes = [c for c, p in parts.items() if p.leads(seconds)]
    return {rng.choice(tunes)} if tunes else set()


def render(events, path, font, reverb):
    with tempfile.TemporaryDirectory() as folder:
        score = folder + "/a.mid"
        with open(score, "wb") as file:
            file.write(to_file(events))
        subprocess.run(["fluidsynth", "-ni", "-q", "-g", "0.4", "-r", "44100",
                        "-o", "synth.dynamic-sample-loading=1",
                        "-R", str(int(reverb)), "-C", "0", "-T", "wav", "-F",
                        path + ".part", font, score], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.rename(path + ".part", path)
