// Many jobs with the official TypeScript SDK; spec/bench/jobs.lua starts it:
//
//     node sdk.js BASE_URL SOURCES JOBS CONCURRENCY INTERVAL_MS FOLDER

import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { CambClient } from "@camb-ai/sdk";

const [baseUrl, sources, jobs, concurrency, interval, folder] =
  process.argv.slice(2);
const separation = new CambClient({ apiKey: "bench", baseUrl }).audioSeparation;
let started = 0;

async function wait(task_id) {
  for (;;) {
    await pause(Number(interval));
    const status = await separation.getAudioSeparationStatus({ task_id });
    if (status.status === "SUCCESS") return status.run_id;
  }
}

async function save(url, path) {
  const reply = await fetch(url);
  if (!reply.ok) throw new Error(`${url}: ${reply.status}`);
  await writeFile(path, Buffer.from(await reply.arrayBuffer()));
}

async function work() {
  while (started < Number(jobs)) {
    const number = ++started;
    const { task_id } = await separation.createAudioSeparation({
      media_file: createReadStream(`${sources}/${number}.wav`),
    });
    const run_id = await wait(task_id);
    const urls = await separation.getAudioSeparationRunInfo({ run_id });
    await Promise.all([
      save(urls.foreground_audio_url, `${folder}/${number}.foreground.wav`),
      save(urls.background_audio_url, `${folder}/${number}.background.wav`),
    ]);
  }
}

await Promise.all(Array.from({ length: Number(concurrency) }, work));
