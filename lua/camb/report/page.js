// The page of `camb report`, `camb serve` and `camb batch --page`: cards with
// players of several tracks that start, seek and loop together.
//
// In a page that was opened from a folder the tracks are <audio> elements: such
// a page may play the files beside it and may not read them, and the Web Audio
// API would get silence.  They are kept together by their speeds.  A page that
// is served plays short recordings by the Web Audio API, to the sample.

"use strict";

(() => {
  const RATE_OF_CHANGE = 4; // of the speed, for each second that a track is off
  const MOST_CHANGE = 0.1;
  const AWAY = 0.05; // seconds from which on a track comes back faster
  const FASTEST_CHANGE = 0.3;
  const NEAR = 0.003; // seconds that are left alone
  const FAR = 0.25; // seconds that are jumped
  const AGAIN = 2000; // ms before the next jump: a busy machine needs time
  const LOOK = 50; // ms between two looks at the tracks
  const STEP = 5; // seconds that an arrow key goes
  const READY_TO_PLAY = 3; // HAVE_FUTURE_DATA
  const DECODED_MOST = 1200; // seconds of all tracks that are kept decoded
  const GATHER = 100; // ms for which news are gathered before they are shown

  const NAMES = { mixture: "Mixture", foreground: "Voice",
    background: "Music" };
  const CHANNELS = { 1: "mono", 2: "stereo" };
  const SORTED_BY_STATE = ["failed", "open", "done"];
  const STATES = { done: "done", failed: "failed", open: "unfinished" };
  const CODES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    + "0123456789+/";

  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);

  const two = (number) => String(Math.floor(number)).padStart(2, "0");

  // 3725.2 as "1:02:05".
  function clock(seconds) {
    const whole = Math.floor(seconds + 1e-6);
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60;
    return (hours ? hours + ":" + two(minutes) : String(minutes)) + ":"
      + two(whole % 60);
  }

  function make(name, text) {
    const element = document.createElement(name);
    element.textContent = text;
    return element;
  }

  // What is written again and again is only touched where it changes.
  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  // --- how tracks sound -----------------------------------------------------

  // Tracks as <audio> elements.
  class Elements {
    // `events`: lost(track), measured(seconds), waiting()
    constructor(tracks, events) {
      this.tracks = tracks;
      this.events = events;
    }

    // They are made when they are needed first.
    load() {
      if (this.audios) return;
      this.audios = this.tracks.map((track) => this.make(track));
    }

    make(track) {
      const audio = document.createElement("audio");
      audio.preload = "auto";
      audio.preservesPitch = false;
      audio.src = track.url;
      audio.addEventListener("error", () => this.lose(track, audio));
      audio.addEventListener("waiting", () => this.events.waiting());
      audio.addEventListener("loadedmetadata", () =>
        this.events.measured(audio.duration));
      document.body.append(audio);
      track.audio = audio;
      this.setLevel(track);
      return audio;
    }

    lose(track, audio) {
      this.audios = this.audios.filter((other) => other !== audio);
      audio.remove();
      track.audio = null;
      this.events.lost(track);
    }

    get isEmpty() {
      return this.audios.length === 0;
    }

    get time() {
      return this.audios && this.audios[0] ? this.audios[0].currentTime : null;
    }

    get hasEnded() {
      return this.audios.some((audio) => audio.ended);
    }

    setLevel(track) {
      if (!track.audio) return;
      track.audio.volume = track.level;
      track.audio.muted = track.level === 0;
    }

    seek(at) {
      for (const audio of this.audios || []) audio.currentTime = at;
    }

    stop() {
      for (const audio of this.audios || []) audio.pause();
    }

    // Bring all to `at`, and start them once all of them can; false if one
    // cannot.
    async start(at, isCurrent) {
      for (const audio of this.audios) {
        audio.pause();
        audio.playbackRate = 1;
        if (audio.currentTime !== at) audio.currentTime = at;
      }
      await Promise.all(this.audios.map(isReady));
      if (!isCurrent()) return false;
      try {
        await Promise.all(this.audios.map((audio) => audio.play()));
      } catch (problem) {
        return false;
      }
      return true;
    }

    // Let the tracks that are ahead of the first one that is heard go slower,
    // and those that are behind it faster; false if one is far away.
    keep() {
      const leader = this.audios.find((audio) => !audio.muted)
        || this.audios[0];
      let isNear = true;
      leader.playbackRate = 1;
      for (const audio of this.audios) {
        const off = audio.currentTime - leader.currentTime;
        const most = Math.abs(off) > AWAY ? FASTEST_CHANGE : MOST_CHANGE;
        const change = Math.abs(off) < NEAR ? 0 : -off * RATE_OF_CHANGE;
        isNear = isNear && Math.abs(off) <= FAR;
        if (audio !== leader) {
          audio.playbackRate = 1 + Math.min(Math.max(change, -most), most);
        }
      }
      return isNear;
    }

    release() {
      for (const audio of this.audios || []) audio.remove();
      for (const track of this.tracks) track.audio = null;
      this.audios = null;
    }
  }

  // Settles once the element can play from where it is, or has failed.
  function isReady(audio) {
    return new Promise((settle) => {
      const events = ["canplay", "seeked", "error"];
      const look = () => {
        if (!audio.error && (audio.seeking
          || audio.readyState < READY_TO_PLAY)) return;
        for (const name of events) audio.removeEventListener(name, look);
        settle();
      };
      for (const name of events) audio.addEventListener(name, look);
      look();
    });
  }

  let context; // one for the page, from the first click on

  // Tracks as decoded samples, which one clock plays.
  class Buffers {
    constructor(tracks, events) {
      this.tracks = tracks;
      this.events = events;
      this.nodes = [];
    }

    load() {
      context = context || new AudioContext();
      this.loading = this.loading
        || Promise.all(this.tracks.map((track) => this.decode(track)));
    }

    async decode(track) {
      try {
        const reply = await fetch(track.url);
        if (!reply.ok) throw new Error(reply.statusText);
        track.buffer = await context.decodeAudioData(await reply.arrayBuffer());
        track.gain = new GainNode(context, { gain: track.level });
        track.gain.connect(context.destination);
        this.events.measured(track.buffer.duration);
      } catch (problem) {
        track.isLost = true;
        this.events.lost(track);
      }
    }

    get isEmpty() {
      return this.tracks.every((track) => track.isLost);
    }

    get time() {
      if (this.nodes.length === 0) return null;
      return Math.min(Math.max(context.currentTime - this.began, this.from),
        this.end);
    }

    get end() {
      return Math.max(...this.tracks.map((track) =>
        (track.buffer ? track.buffer.duration : 0)));
    }

    get hasEnded() {
      return this.time >= this.end;
    }

    setLevel(track) {
      if (track.gain) {
        track.gain.gain.setTargetAtTime(track.level, context.currentTime, 0.01);
      }
    }

    seek() {}

    stop() {
      for (const node of this.nodes) node.disconnect();
      this.nodes = [];
    }

    async start(at, isCurrent) {
      await this.loading;
      await context.resume();
      if (!isCurrent() || this.isEmpty) return false;
      this.stop();
      const when = context.currentTime + 0.03;
      this.began = when - at;
      this.from = at;
      for (const { buffer, gain } of this.tracks) {
        if (!buffer || at >= buffer.duration) continue;
        const node = new AudioBufferSourceNode(context, { buffer });
        node.connect(gain);
        node.start(when, at);
        this.nodes.push(node);
      }
      return true;
    }

    keep() {
      return true;
    }

    release() {
      this.stop();
      for (const track of this.tracks) {
        if (track.gain) track.gain.disconnect();
        track.gain = track.buffer = null;
      }
      this.loading = null;
    }
  }

  // --- the tracks of one file -----------------------------------------------

  class Player {
    // `told` is called whenever something has changed.
    constructor(tracks, told) {
      this.tracks = tracks; // { stem, url, isMuted, isSolo, problem }
      this.told = told;
      this.length = 0.01;
      this.at = 0;
      this.balance = 0; // -1: the voice alone, 1: the music alone
      this.isLooping = false;
      this.isWanted = false; // to play, also while it waits for its files
      this.turn = 0;
      for (const track of tracks) this.measure(track.duration);
    }

    measure(seconds) {
      if (Number.isFinite(seconds) && seconds > this.length) {
        this.length = seconds;
        this.told();
      }
    }

    load() {
      if (!this.sound) {
        const all = this.tracks.map((track) => track.duration || Infinity)
          .reduce((sum, seconds) => sum + seconds, 0);
        const Sound = data.is_live && all < DECODED_MOST ? Buffers : Elements;
        this.sound = new Sound(this.tracks, {
          lost: (track) => this.lose(track),
          measured: (seconds) => this.measure(seconds),
          waiting: () => this.hold(),
        });
      }
      this.sound.load();
    }

    // A file that is gone, or that this browser does not play.
    lose(track) {
      track.problem = "This file is missing, or cannot be played here.";
      if (this.sound.isEmpty) this.pause();
      this.told();
    }

    get time() {
      const time = this.isGathering || !this.sound ? null : this.sound.time;
      return time === null ? this.at : time;
    }

    mix() {
      const isAnySolo = this.tracks.some((track) => track.isSolo);
      for (const track of this.tracks) {
        let level = isAnySolo ? Number(track.isSolo) : Number(!track.isMuted);
        if (track.stem === "foreground") level *= Math.min(1, 1 - this.balance);
        if (track.stem === "background") level *= Math.min(1, 1 + this.balance);
        track.level = level;
        if (this.sound) this.sound.setLevel(track);
      }
      this.told();
    }

    play() {
      this.load();
      if (this.sound.isEmpty) return;
      this.at = this.time >= this.length - 0.05 ? 0 : this.time;
      this.isWanted = true;
      this.gather();
    }

    pause() {
      this.at = this.time;
      this.isWanted = false;
      this.isGathering = false;
      this.turn++;
      clearInterval(this.timer);
      if (this.sound) this.sound.stop();
      this.told();
    }

    seek(seconds) {
      this.at = Math.min(Math.max(seconds, 0), this.length);
      if (this.isWanted) {
        this.gather();
      } else {
        if (this.sound) this.sound.seek(this.at);
        this.told();
      }
    }

    // One of them has run out of bytes: the others wait for it.
    hold() {
      if (!this.isWanted || this.isGathering) return;
      this.at = this.sound.time;
      this.gather();
    }

    // Let all tracks play from `at` together.
    async gather() {
      const turn = ++this.turn;
      this.isGathering = true;
      clearInterval(this.timer);
      this.told();
      const has_begun = await this.sound.start(this.at,
        () => turn === this.turn);
      if (turn !== this.turn) return;
      if (!has_begun) {
        this.pause();
        return;
      }
      this.isGathering = false;
      this.gathered = performance.now();
      this.timer = setInterval(() => this.keep(), LOOK);
      this.told();
    }

    keep() {
      if (this.sound.isEmpty) return;
      if (this.sound.hasEnded) this.finish();
      else if (this.sound.keep()
        || performance.now() - this.gathered < AGAIN) this.told();
      else this.hold();
    }

    finish() {
      if (this.isLooping) {
        this.at = 0;
        this.gather();
      } else {
        this.pause();
        this.at = this.length;
        this.told();
      }
    }

    // Stop, and give the memory back.
    release() {
      this.pause();
      if (this.sound) this.sound.release();
      this.sound = null;
    }
  }

  // --- pictures -------------------------------------------------------------

  const numbers = new Map([...CODES].map((code, i) => [code, i]));
  const decode = (text) => Uint8Array.from(text, (c) => numbers.get(c));

  // What the generator has written of a file, read when it is shown.
  function writtenPictures(index) {
    const element = byId("pictures-" + index);
    return element ? JSON.parse(element.textContent) : {};
  }

  // What a server says of a track: a picture, or its problem.
  async function servedPicture(track) {
    try {
      const reply = await fetch(track.picture);
      return reply.ok ? await reply.json() : { problem: reply.statusText };
    } catch (problem) {
      return null; // the server is away: it is asked again
    }
  }

  function colour(name) {
    const text = getComputedStyle(document.documentElement)
      .getPropertyValue("--" + name).trim();
    return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
  }

  // Colours of the 64 levels, from -96 to 0 dB: from near silence over the
  // stem's colour to its brightest.
  function ramp(stem) {
    const stops = [colour("cell"), colour(stem), colour(stem + "-peak")];
    return Array.from({ length: 64 }, (_, level) => {
      const part = Math.min(Math.max((level / 63 * 96 - 20) / 70, 0), 1) * 2;
      const from = part < 1 ? 0 : 1;
      return stops[from].map((value, i) => Math.round(value
        + (stops[from + 1][i] - value) * (part - from)));
    });
  }

  function drawSpectrogram(canvas, picture, stem, height) {
    const cells = decode(picture.cells);
    const { columns } = picture;
    const rows = cells.length / columns;
    const image = new ImageData(columns, rows);
    const colours = ramp(stem);
    cells.forEach((level, i) => {
      image.data.set(colours[level], i * 4);
      image.data[i * 4 + 3] = 255;
    });
    const small = document.createElement("canvas");
    small.width = columns;
    small.height = rows;
    small.getContext("2d").putImageData(image, 0, 0);
    canvas.getContext("2d").drawImage(small, 0, 0, canvas.width, height);
  }

  // How far the waveform of `picture` is from the middle level, at most.
  function loudest(picture) {
    return Math.max(...decode(picture.peaks).map((level) =>
      Math.ceil(Math.abs(level - 31.5))));
  }

  // `full` is the level that fills the height.
  function drawWave(canvas, picture, stem, full, top) {
    const levels = decode(picture.peaks);
    const columns = levels.length / 2;
    const height = canvas.height - top;
    const wide = canvas.width / columns;
    const place = (level) => top + height / 2
      - (level - 31.5) / full * height / 2;
    const pen = canvas.getContext("2d");
    pen.fillStyle = "rgb(" + colour(stem).join(",") + ")";
    for (let i = 0; i < columns; i++) {
      const high = place(levels[2 * i + 1]);
      const low = place(levels[2 * i]);
      pen.fillRect(i * wide, high, Math.max(wide, 1), Math.max(low - high, 1));
    }
  }

  function draw(canvas, picture, stem, full) {
    const box = canvas.getBoundingClientRect();
    const density = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = Math.round(box.width * density);
    canvas.height = Math.round(box.height * density);
    if (canvas.width === 0 || canvas.height === 0) return;
    const split = Math.round(canvas.height * 0.56);
    drawSpectrogram(canvas, picture, stem, split);
    drawWave(canvas, picture, stem, full, split + 2 * density);
  }

  // --- cards ----------------------------------------------------------------

  let playing = null; // the card that was heard last

  class Card {
    constructor(item, index) {
      this.index = index;
      this.element = byId("card").content.firstElementChild.cloneNode(true);
      this.element.dataset.index = index;
      this.find = (selector) => this.element.querySelector(selector);
      this.find("h2").id = "file-" + index;
      this.element.setAttribute("aria-labelledby", "file-" + index);
      this.find(".play").addEventListener("click", () => this.toggle());
      this.find(".loop").addEventListener("click", () => this.loop());
      this.find(".seek").addEventListener("input", (event) =>
        this.player.seek(Number(event.target.value)));
      this.find(".fader input").addEventListener("input", (event) => {
        this.player.balance = Number(event.target.value) / 100;
        this.player.mix();
      });
      this.tracks = [];
      this.pictures = {};
      this.update(item);
    }

    // Show how `item` is now.
    update(item) {
      const isNew = !this.item;
      const urls = (tracks) => tracks.map((track) => track.url).join("\n");
      this.item = item;
      this.words = [item.name, item.folder, item.error, item.word,
        ...item.known.map(([, text]) => text)].join("\n").toLowerCase();
      this.describe();
      if (urls(item.tracks) !== urls(this.tracks)) this.setTracks();
      this.element.classList.toggle("short", item.tracks.length === 0);
      this.tellFacts();
      if (!isNew && this.isShown) this.show(true);
    }

    describe() {
      const { item } = this;
      const { classList } = this.element;
      const bar = this.find(".bar");
      classList.remove(...SORTED_BY_STATE);
      classList.add(item.state);
      setText(this.find("h2"), item.name);
      setText(this.find(".badge"), item.word);
      setText(this.find(".error"), item.error || "");
      this.find(".error").hidden = !item.error;
      bar.hidden = !(data.is_live && item.state === "open");
      if (item.progress === undefined) bar.removeAttribute("value");
      else bar.value = item.progress;
      bar.setAttribute("aria-label", item.name + ": " + item.word);
      this.describeStory();
    }

    describeStory() {
      const { item } = this;
      this.find(".events").replaceChildren(...item.events.map(
        ([time, words]) => {
          const line = make("li", "");
          const stamp = make("time", new Date(time * 1000).toLocaleString());
          stamp.dateTime = new Date(time * 1000).toISOString();
          line.append(stamp, " " + words);
          return line;
        }));
      this.find(".events").hidden = item.events.length === 0;
      setText(this.find(".story summary"),
        item.events.length > 0 ? "What happened when" : "Details");
      this.find(".known").replaceChildren(...item.known.flatMap(
        ([name, text]) => [make("dt", name), make("dd", text)]));
      this.find(".story").hidden =
        item.events.length + item.known.length === 0;
    }

    tellFacts() {
      const [track] = this.tracks;
      const facts = [];
      if (track && track.duration) {
        facts.push(clock(track.duration), track.rate / 1000 + " kHz",
          CHANNELS[track.channels] || track.channels + " channels");
      }
      if (this.item.folder) facts.push("in " + this.item.folder);
      setText(this.find(".facts"), facts.join(" · "));
    }

    // What is heard goes on where it was, with the tracks that there are now.
    setTracks() {
      const before = this.player;
      const old = new Map(this.tracks.map((track) => [track.stem, track]));
      const hasStems = this.item.tracks.some((t) => t.stem !== "mixture");
      const wasPlaying = before && before.isWanted;
      if (before) before.release();
      this.tracks = this.item.tracks.map((track) => ({ ...track,
        duration: track.duration || (old.get(track.stem) || {}).duration,
        isSolo: false, isMuted: hasStems && track.stem === "mixture" }));
      this.pictures = {};
      this.find(".tracks").replaceChildren();
      this.find(".player").hidden = this.tracks.length === 0;
      this.find(".fader").hidden = !["foreground", "background"].every((stem) =>
        this.tracks.some((track) => track.stem === stem));
      this.player = new Player(this.tracks, () => this.tell());
      if (before) {
        this.player.at = before.at;
        this.player.isLooping = before.isLooping;
      }
      this.element.classList.toggle("single", this.tracks.length === 1);
      this.tracks.forEach((track) => this.addTrack(track));
      this.player.mix();
      if (wasPlaying && this.tracks.length > 0) this.player.play();
    }

    addTrack(track) {
      const row = byId("track").content.firstElementChild.cloneNode(true);
      const name = NAMES[track.stem];
      const label = row.querySelector(".label");
      row.classList.add(track.stem);
      label.textContent = name;
      label.href = track.url;
      label.title = (data.is_live ? "Save " : "Open ") + track.file;
      if (data.is_live) label.download = track.file;
      const canvas = row.querySelector("canvas");
      canvas.setAttribute("aria-label", "Spectrogram and waveform: "
        + name.toLowerCase());
      for (const [selector, field] of [[".solo", "isSolo"],
        [".mute", "isMuted"]]) {
        const button = row.querySelector(selector);
        button.setAttribute("aria-label", button.textContent + " "
          + name.toLowerCase());
        button.addEventListener("click", () => this.flip(track, field));
      }
      row.querySelector(".picture").addEventListener("click", (event) => {
        const box = canvas.getBoundingClientRect();
        this.player.seek((event.clientX - box.left) / box.width
          * this.player.length);
      });
      track.row = row;
      this.find(".tracks").append(row);
    }

    flip(track, field) {
      track[field] = !track[field];
      this.player.mix();
    }

    toggle() {
      if (this.tracks.length === 0) return;
      if (this.player.isWanted) {
        this.player.pause();
        return;
      }
      if (playing && playing !== this) playing.player.release();
      playing = this;
      this.player.play();
    }

    loop() {
      this.player.isLooping = !this.player.isLooping;
      this.tell();
    }

    // Show what the player is doing.
    tell() {
      const { player } = this;
      if (!player || this.tracks.length === 0) return;
      const { time, length } = player;
      const seek = this.find(".seek");
      this.element.classList.toggle("playing", player.isWanted);
      setText(this.find(".play .word"), player.isWanted ? "Pause" : "Play");
      this.find(".loop").setAttribute("aria-pressed", player.isLooping);
      setText(this.find(".time"), clock(time) + " / " + clock(length));
      seek.max = length;
      seek.value = time;
      seek.setAttribute("aria-valuetext", clock(time) + " of " + clock(length));
      this.find(".fader input").setAttribute("aria-valuetext",
        balanceInWords(player.balance));
      for (const track of this.tracks) this.tellTrack(track, time / length);
    }

    tellTrack(track, part) {
      const { row } = track;
      if (!row) return;
      row.querySelector(".head").style.left = part * 100 + "%";
      row.querySelector(".solo").setAttribute("aria-pressed", track.isSolo);
      row.querySelector(".mute").setAttribute("aria-pressed", track.isMuted);
      row.classList.toggle("silent", track.level === 0);
      const nothing = row.querySelector(".nothing");
      setText(nothing, track.problem || track.nopicture || "");
      nothing.hidden = nothing.textContent === "";
    }

    // Draw the pictures while they are near the screen, and let go of their
    // memory where they are not.
    show(isNear) {
      this.isShown = isNear;
      if (!isNear) this.pictures = {};
      else if (data.is_live) this.tracks.forEach((track) => this.ask(track));
      else this.pictures = writtenPictures(this.index);
      this.draw();
    }

    async ask(track) {
      if (this.pictures[track.stem] || track.isAsked) return;
      track.isAsked = true;
      const found = await servedPicture(track);
      track.isAsked = false;
      if (!found || !this.isShown || !this.tracks.includes(track)) return;
      if (found.problem) {
        track.nopicture = "No picture: " + found.problem;
      } else {
        this.pictures[track.stem] = found;
        Object.assign(track, { duration: found.duration, rate: found.rate,
          channels: found.channels });
        this.player.measure(track.duration);
        this.tellFacts();
      }
      this.draw();
      this.tell();
    }

    draw() {
      const full = Math.max(1, ...Object.values(this.pictures).map(loudest));
      for (const track of this.tracks) {
        const canvas = track.row.querySelector("canvas");
        const picture = this.pictures[track.stem];
        if (picture) draw(canvas, picture, track.stem, full);
        else canvas.width = canvas.height = 0;
      }
    }

    key(name) {
      const { player } = this;
      const number = "123".indexOf(name);
      if (name === "n" || name === "p") {
        return move(this, name === "n" ? 1 : -1);
      } else if (this.tracks.length === 0) {
        return false;
      } else if (name === " ") {
        this.toggle();
      } else if (name === "ArrowLeft" || name === "ArrowRight") {
        player.seek(player.time + (name === "ArrowLeft" ? -STEP : STEP));
      } else if (name === "l") {
        this.loop();
      } else if (number >= 0 && this.tracks[number]) {
        this.flip(this.tracks[number], "isSolo");
      } else {
        return false;
      }
      return true;
    }
  }

  function balanceInWords(balance) {
    const percent = Math.round(Math.abs(balance) * 100);
    if (percent === 0) return "voice and music in full";
    const [more, less] = balance < 0 ? ["voice", "music"] : ["music", "voice"];
    return percent === 100 ? more + " alone"
      : less + " at " + (100 - percent) + " %";
  }

  // --- the list -------------------------------------------------------------

  const cards = [];
  let shown = [];

  function move(card, by) {
    const next = shown[shown.indexOf(card) + by];
    if (next) next.element.focus();
    return true;
  }

  const rank = (card) => SORTED_BY_STATE.indexOf(card.item.state);
  const collator = new Intl.Collator(undefined, { numeric: true });
  const byName = (a, b) => collator.compare(a.item.name, b.item.name);
  const lengthOf = (card) => (card.player ? card.player.length : 0);
  const ORDERS = {
    errors: (a, b) => rank(a) - rank(b) || byName(a, b),
    name: byName,
    newest: (a, b) => (b.item.time || 0) - (a.item.time || 0) || byName(a, b),
    longest: (a, b) => lengthOf(b) - lengthOf(a) || byName(a, b),
  };

  function tellSummary() {
    const count = (state) => cards.filter((card) => card.item.state === state)
      .length;
    const words = [cards.length + (cards.length === 1 ? " file" : " files")];
    for (const [state, word] of Object.entries(STATES)) {
      if (count(state) > 0) words.push(count(state) + " " + word);
    }
    const seconds = cards.reduce((sum, card) => sum
      + (card.tracks[0] && card.tracks[0].duration || 0), 0);
    if (seconds > 0 && !data.is_live) words.push(clock(seconds) + " of audio");
    setText(byId("summary"), cards.length > 0 ? words.join(" · ") : "");
  }

  function isAsShown(next) {
    return next.length === shown.length
      && next.every((card, i) => card === shown[i]);
  }

  function arrange() {
    const words = byId("search").value.toLowerCase().split(/\s+/);
    const state = byId("filter").value;
    const next = cards.filter((card) => (!state || card.item.state === state)
      && words.every((word) => card.words.includes(word)));
    next.sort(ORDERS[byId("sort").value]);
    setText(byId("shown"), next.length === cards.length ? ""
      : next.length + " of " + cards.length + " files shown");
    byId("tools").hidden = cards.length < 2;
    byId("keys").hidden = cards.length === 0;
    if (isAsShown(next)) return;
    const focused = document.activeElement;
    shown = next;
    if (playing && !shown.includes(playing)) playing.player.pause();
    byId("list").replaceChildren(...shown.map((card) => card.element));
    if (document.activeElement !== focused) {
      focused.focus({ preventScroll: true });
    }
  }

  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      cards[target.dataset.index].show(isIntersecting);
    }
  }, { rootMargin: "300px" });

  function add(item) {
    const card = new Card(item, cards.length);
    cards.push(card);
    near.observe(card.element);
  }

  function redraw() {
    for (const card of cards) if (card.isShown) card.draw();
  }

  function onKey(event) {
    const { target } = event;
    const element = target.closest(".card");
    if (!element || event.ctrlKey || event.metaKey || event.altKey) return;
    const isSlider = target.matches("input");
    if (isSlider && event.key.startsWith("Arrow")) return;
    if (event.key === " " && target.matches("button, summary, a")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (cards[element.dataset.index].key(key)) event.preventDefault();
  }

  // --- what is going on -----------------------------------------------------

  let news = new Map(); // items that have changed, by their ids

  function showNews() {
    const said = [];
    for (const [id, item] of news) {
      const card = cards[id - 1];
      if (!card) {
        add(item);
      } else {
        if (card.item.state !== item.state && item.state !== "open") {
          said.push(item.name + ": " + item.word);
        }
        card.update(item);
      }
    }
    news = new Map();
    tellSummary();
    arrange();
    if (said.length > 0) setText(byId("news"), said.join(", "));
  }

  // Items come in the order in which they changed, not in that of their ids.
  function hear(event) {
    const item = JSON.parse(event.data);
    if (news.size === 0) setTimeout(showNews, GATHER);
    news.set(item.id, item);
    news = new Map([...news].sort(([a], [b]) => a - b));
  }

  // Whether the server is there.
  function tellServer(isThere) {
    byId("away").hidden = isThere;
    byId("drop").hidden = !isThere;
  }

  function listen() {
    const events = new EventSource("events");
    let run = null;
    events.addEventListener("run", (event) => {
      if (run !== null && run !== event.data) location.reload();
      run = event.data;
    });
    events.addEventListener("message", hear);
    events.addEventListener("open", () => tellServer(true));
    events.addEventListener("error", () => tellServer(false));
  }

  // --- files that are dropped -------------------------------------------------

  const queue = [];
  let isSending = false;

  function tellSent(line, words) {
    line.querySelector("progress").remove();
    line.append(make("span", words));
    line.classList.add("error");
  }

  // What the server says of a file that it does not take.
  function refusal(request) {
    try {
      return JSON.parse(request.responseText).detail;
    } catch (problem) {
      return "It could not be sent: is camb still running?";
    }
  }

  function sendNext() {
    const next = queue.shift();
    isSending = next !== undefined;
    if (!isSending) return;
    const { file, line } = next;
    const request = new XMLHttpRequest();
    request.open("POST", "files?name=" + encodeURIComponent(file.name));
    request.setRequestHeader("X-Camb-Page", "1");
    request.upload.addEventListener("progress", (event) => {
      line.querySelector("progress").value = event.loaded / event.total;
    });
    request.addEventListener("loadend", () => {
      if (request.status === 200) line.remove();
      else tellSent(line, " " + refusal(request));
      sendNext();
    });
    request.send(file);
  }

  function send(files) {
    for (const file of files) {
      const line = make("li", file.name + " ");
      const bar = make("progress", "");
      bar.setAttribute("aria-label", "Sending " + file.name);
      line.append(bar);
      byId("sending").append(line);
      queue.push({ file, line });
    }
    if (!isSending) sendNext();
  }

  function hasFiles(event) {
    return [...event.dataTransfer.types].includes("Files");
  }

  // They may be dropped anywhere on the page.
  function takeFiles() {
    const area = byId("drop");
    const mark = (isOver) => area.classList.toggle("over", isOver);
    document.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      mark(true);
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) mark(false);
    });
    document.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      mark(false);
      send(event.dataTransfer.files);
    });
    byId("choose").addEventListener("change", (event) => {
      send(event.target.files);
      event.target.value = "";
    });
  }

  // --- the page ---------------------------------------------------------------

  data.items.forEach(add);
  tellSummary();
  if (data.is_live) {
    setText(byId("note"), data.note);
    takeFiles();
    listen();
  } else {
    byId("made").textContent = new Date(data.made * 1000).toLocaleString();
    byId("origin").hidden = false;
  }
  for (const id of ["search", "filter", "sort"]) {
    byId(id).addEventListener("input", arrange);
  }
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", onKey);
  window.matchMedia("(prefers-color-scheme: dark)")
    .addEventListener("change", redraw);
  let resized;
  window.addEventListener("resize", () => {
    clearTimeout(resized);
    resized = setTimeout(redraw, 150);
  });
  arrange();
})();
