// The page of `camb report`: cards with players of several tracks that start,
// seek and loop together.
//
// The tracks are <audio> elements, as a page that was opened from a folder may
// play the files beside it and may not read them: the Web Audio API would get
// silence.  They are kept together by their speeds.

"use strict";

(() => {
  const RATE_OF_CHANGE = 4; // of the speed, for each second that a track is off
  const MOST_CHANGE = 0.1;
  const NEAR = 0.003; // seconds that are left alone
  const FAR = 0.25; // seconds that are jumped
  const LOOK = 50; // ms between two looks at the tracks
  const STEP = 5; // seconds that an arrow key goes
  const READY_TO_PLAY = 3; // HAVE_FUTURE_DATA

  const NAMES = { mixture: "Mixture", foreground: "Voice",
    background: "Music" };
  const SORTED_BY_STATE = ["failed", "open", "done"];
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

  // --- the tracks of one file -----------------------------------------------

  class Player {
    // `told` is called whenever something has changed.
    constructor(tracks, told) {
      this.tracks = tracks; // { stem, url, isMuted, isSolo, problem }
      this.told = told;
      this.length = Math.max(0.01, ...tracks.map((t) => t.duration || 0));
      this.at = 0;
      this.balance = 0; // -1: the voice alone, 1: the music alone
      this.isLooping = false;
      this.isWanted = false; // to play, also while it waits for its files
      this.turn = 0;
    }

    // The elements, made when they are needed first.
    load() {
      if (this.audios) return;
      this.audios = [];
      for (const track of this.tracks) {
        const audio = document.createElement("audio");
        audio.preload = "auto";
        audio.preservesPitch = false;
        audio.src = track.url;
        audio.addEventListener("error", () => this.lose(track));
        audio.addEventListener("waiting", () => this.hold());
        audio.addEventListener("loadedmetadata", () => this.measure(audio));
        document.body.append(audio);
        track.audio = audio;
        this.audios.push(audio);
      }
      this.mix();
    }

    measure(audio) {
      if (Number.isFinite(audio.duration) && audio.duration > this.length) {
        this.length = audio.duration;
        this.told();
      }
    }

    // A file that is gone, or that this browser does not play.
    lose(track) {
      track.problem = "This file is missing, or cannot be played here.";
      this.audios = this.audios.filter((audio) => audio !== track.audio);
      track.audio.remove();
      if (this.audios.length === 0) this.pause();
      this.told();
    }

    get time() {
      const audio = this.audios && this.audios[0];
      return audio && !this.isGathering ? audio.currentTime : this.at;
    }

    mix() {
      const isAnySolo = this.tracks.some((track) => track.isSolo);
      for (const track of this.tracks) {
        let level = isAnySolo ? Number(track.isSolo) : Number(!track.isMuted);
        if (track.stem === "foreground") level *= Math.min(1, 1 - this.balance);
        if (track.stem === "background") level *= Math.min(1, 1 + this.balance);
        track.level = level;
        if (track.audio) {
          track.audio.volume = level;
          track.audio.muted = level === 0;
        }
      }
      this.told();
    }

    play() {
      this.load();
      if (this.audios.length === 0) return;
      this.isWanted = true;
      if (this.time >= this.length - 0.05) this.at = 0;
      else this.at = this.time;
      this.gather();
    }

    pause() {
      this.at = this.time;
      this.isWanted = false;
      this.isGathering = false;
      this.turn++;
      clearInterval(this.timer);
      for (const audio of this.audios || []) audio.pause();
      this.told();
    }

    seek(seconds) {
      this.at = Math.min(Math.max(seconds, 0), this.length);
      if (this.isWanted) {
        this.gather();
      } else {
        for (const audio of this.audios || []) audio.currentTime = this.at;
        this.told();
      }
    }

    // One of them has run out of bytes: the others wait for it.
    hold() {
      if (!this.isWanted || this.isGathering) return;
      this.at = Math.min(...this.audios.map((audio) => audio.currentTime));
      this.gather();
    }

    // Bring all tracks to `at`, and start them once all of them can.
    async gather() {
      const turn = ++this.turn;
      this.isGathering = true;
      clearInterval(this.timer);
      for (const audio of this.audios) {
        audio.pause();
        audio.playbackRate = 1;
        if (audio.currentTime !== this.at) audio.currentTime = this.at;
      }
      this.told();
      await Promise.all(this.audios.map(isReady));
      if (turn !== this.turn) return;
      try {
        await Promise.all(this.audios.map((audio) => audio.play()));
      } catch (problem) {
        if (turn === this.turn) this.pause();
        return;
      }
      if (turn !== this.turn) return;
      this.isGathering = false;
      this.timer = setInterval(() => this.keep(), LOOK);
      this.told();
    }

    // Let the tracks that are ahead of the first one go slower, and those that
    // are behind it faster.
    keep() {
      const [first, ...others] = this.audios;
      if (!first) return;
      if (this.audios.some((audio) => audio.ended)) {
        this.finish();
        return;
      }
      for (const audio of others) {
        const off = audio.currentTime - first.currentTime;
        if (Math.abs(off) > FAR) {
          this.hold();
          return;
        }
        const change = Math.abs(off) < NEAR ? 0 : -off * RATE_OF_CHANGE;
        audio.playbackRate = 1
          + Math.min(Math.max(change, -MOST_CHANGE), MOST_CHANGE);
      }
      this.told();
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

  // --- pictures -------------------------------------------------------------

  const numbers = new Map([...CODES].map((code, i) => [code, i]));
  const decode = (text) => Uint8Array.from(text, (c) => numbers.get(c));

  // What the generator has written of a file, read when it is shown.
  function picturesOf(index) {
    const element = byId("pictures-" + index);
    return element ? JSON.parse(element.textContent) : {};
  }

  function colour(name) {
    const text = getComputedStyle(document.documentElement)
      .getPropertyValue("--" + name).trim();
    return [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));
  }

  // Colours of the 64 levels, from -96 to 0 dB: from near silence over the
  // stem's colour to its brightest.
  function ramp(stem) {
    const stops = [colour("dark-cell"), colour(stem), colour(stem + "-peak")];
    return Array.from({ length: 64 }, (_, level) => {
      const part = Math.min(Math.max((level / 63 * 96 - 20) / 70, 0), 1) * 2;
      const from = part < 1 ? 0 : 1;
      return stops[from].map((value, i) => Math.round(value
        + (stops[from + 1][i] - value) * (part - from)));
    });
  }

  function drawSpectrogram(context, picture, stem, width, height) {
    const columns = data.columns;
    const cells = decode(picture.cells);
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
    context.drawImage(small, 0, 0, width, height);
  }

  // How far the waveform of `picture` is from the middle level, at most.
  function loudest(picture) {
    return Math.max(...decode(picture.peaks).map((level) =>
      Math.ceil(Math.abs(level - 31.5))));
  }

  // `full` is the level that fills the height.
  function drawWave(context, picture, stem, full, top, width, height) {
    const levels = decode(picture.peaks);
    const columns = levels.length / 2;
    const place = (level) => top + height / 2
      - (level - 31.5) / full * height / 2;
    context.fillStyle = "rgb(" + colour(stem).join(",") + ")";
    for (let i = 0; i < columns; i++) {
      const high = place(levels[2 * i + 1]);
      const low = place(levels[2 * i]);
      context.fillRect(i / columns * width, high,
        Math.max(width / columns, 1), Math.max(low - high, 1));
    }
  }

  function draw(canvas, picture, stem, full) {
    const box = canvas.getBoundingClientRect();
    const density = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = Math.round(box.width * density);
    canvas.height = Math.round(box.height * density);
    const context = canvas.getContext("2d");
    const split = Math.round(canvas.height * 0.55);
    drawSpectrogram(context, picture, stem, canvas.width, split);
    drawWave(context, picture, stem, full, split + 1, canvas.width,
      canvas.height - split - 2);
  }

  // --- cards ----------------------------------------------------------------

  let playing = null; // the card that was heard last

  class Card {
    constructor(item, index) {
      this.item = item;
      this.index = index;
      this.element = byId("card").content.firstElementChild.cloneNode(true);
      this.find = (selector) => this.element.querySelector(selector);
      this.words = [item.name, item.folder, item.error, item.kind, item.task,
        item.run, item.source, item.word].join("\n").toLowerCase();
      this.describe();
      if (item.tracks.length > 0) this.addPlayer();
      else this.element.classList.add("short");
      this.tell();
    }

    describe() {
      const { item } = this;
      const heading = this.find("h2");
      heading.textContent = item.name;
      heading.id = "file-" + this.index;
      this.element.setAttribute("aria-labelledby", heading.id);
      this.element.classList.add(item.state);
      this.find(".badge").textContent = item.word;
      this.find(".badge").classList.add(item.state);
      this.find(".facts").textContent = item.facts;
      if (item.error) {
        this.find(".error").textContent = item.error;
        this.find(".error").hidden = false;
      }
      for (const [time, words] of item.events) {
        const line = make("li", "");
        const stamp = make("time", new Date(time * 1000).toLocaleString());
        stamp.dateTime = new Date(time * 1000).toISOString();
        line.append(stamp, " " + words);
        this.find(".events").append(line);
      }
      if (item.events.length > 0) {
        this.find(".story summary").textContent = "What happened when";
      } else {
        this.find(".events").hidden = true;
      }
      for (const [name, text] of item.known) {
        this.find(".known").append(make("dt", name), make("dd", text));
      }
      this.find(".story").hidden =
        item.events.length + item.known.length === 0;
    }

    addPlayer() {
      const hasStems = this.item.tracks.some((t) => t.stem !== "mixture");
      this.tracks = this.item.tracks.map((track) => ({ ...track,
        isSolo: false, isMuted: hasStems && track.stem === "mixture" }));
      this.player = new Player(this.tracks, () => this.tell());
      this.tracks.forEach((track) => this.addTrack(track));
      this.find(".player").hidden = false;
      this.find(".fader").hidden = !["foreground", "background"].every((stem) =>
        this.tracks.some((track) => track.stem === stem));
      this.find(".play").addEventListener("click", () => this.toggle());
      this.find(".loop").addEventListener("click", () => this.loop());
      this.find(".seek").addEventListener("input", (event) =>
        this.player.seek(Number(event.target.value)));
      this.find(".fader input").addEventListener("input", (event) => {
        this.player.balance = Number(event.target.value) / 100;
        this.player.mix();
      });
      this.player.mix();
    }

    addTrack(track) {
      const row = byId("track").content.firstElementChild.cloneNode(true);
      const name = NAMES[track.stem];
      const label = row.querySelector(".label");
      label.textContent = name;
      label.href = track.url;
      label.title = "Open " + track.file;
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
      if (!this.player) return;
      if (this.player.isWanted) {
        this.player.pause();
        return;
      }
      if (playing && playing !== this) playing.player.pause();
      playing = this;
      this.player.play();
    }

    loop() {
      if (!this.player) return;
      this.player.isLooping = !this.player.isLooping;
      this.tell();
    }

    // Show what the player is doing.
    tell() {
      const { player } = this;
      if (!player || !this.tracks[0].row) return;
      const { time, length } = player;
      const spoken = clock(time) + " of " + clock(length);
      this.element.classList.toggle("playing", player.isWanted);
      this.find(".play .word").textContent = player.isWanted ? "Pause" : "Play";
      this.find(".loop").setAttribute("aria-pressed", player.isLooping);
      this.find(".time").textContent = clock(time) + " / " + clock(length);
      const seek = this.find(".seek");
      seek.max = length;
      seek.value = time;
      seek.setAttribute("aria-valuetext", spoken);
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
      nothing.textContent = track.problem || track.nopicture || "";
      nothing.hidden = nothing.textContent === "";
    }

    // Draw the pictures while they are near the screen, and let go of their
    // memory where they are not.
    show(isNear) {
      if (!this.tracks) return;
      const pictures = isNear ? picturesOf(this.index) : {};
      const full = Math.max(1, ...Object.values(pictures).map(loudest));
      for (const track of this.tracks) {
        const canvas = track.row.querySelector("canvas");
        if (pictures[track.stem]) {
          draw(canvas, pictures[track.stem], track.stem, full);
        } else {
          canvas.width = canvas.height = 0;
        }
      }
      this.isShown = isNear;
    }

    key(name) {
      const { player } = this;
      const number = "123".indexOf(name);
      if (name === "n" || name === "p") {
        return move(this, name === "n" ? 1 : -1);
      } else if (!player) {
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

  const cards = data.items.map((item, index) => new Card(item, index));
  let shown = [];

  function move(card, by) {
    const next = shown[shown.indexOf(card) + by];
    if (next) next.element.focus();
    return true;
  }

  const rank = (card) => SORTED_BY_STATE.indexOf(card.item.state);
  const byName = (a, b) => a.item.name.localeCompare(b.item.name, undefined,
    { numeric: true });
  const lengthOf = (card) => (card.player ? card.player.length : 0);
  const ORDERS = {
    errors: (a, b) => rank(a) - rank(b) || byName(a, b),
    name: byName,
    newest: (a, b) => (b.item.time || 0) - (a.item.time || 0) || byName(a, b),
    longest: (a, b) => lengthOf(b) - lengthOf(a) || byName(a, b),
  };

  function arrange() {
    const words = byId("search").value.toLowerCase().split(/\s+/);
    const state = byId("filter").value;
    shown = cards.filter((card) => (!state || card.item.state === state)
      && words.every((word) => card.words.includes(word)));
    shown.sort(ORDERS[byId("sort").value]);
    if (playing && !shown.includes(playing)) playing.player.pause();
    byId("list").replaceChildren(...shown.map((card) => card.element));
    byId("shown").textContent = shown.length === cards.length ? ""
      : shown.length + " of " + cards.length + " files shown";
  }

  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      cards[target.dataset.index].show(isIntersecting);
    }
  }, { rootMargin: "300px" });

  function redraw() {
    for (const card of cards) if (card.isShown) card.show(true);
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

  cards.forEach((card, index) => {
    card.element.dataset.index = index;
    near.observe(card.element);
  });
  byId("summary").textContent = data.summary;
  byId("made").textContent = new Date(data.made * 1000).toLocaleString();
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
