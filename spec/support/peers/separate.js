// The tutorial's flow with the official TypeScript SDK:
//
//     node separate.js BASE_URL KEY AUDIO FOLDER
//
// leaves foreground.flac and background.flac in FOLDER and prints what each
// step was answered, a line of JSON each.

import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { CambClient } from "@camb-ai/sdk";

const MAX_ATTEMPTS = 600;
const INTERVAL = 100; // ms

const [baseUrl, apiKey, audio, folder] = process.argv.slice(2);
const separation = new CambClient({ apiKey, baseUrl }).audioSeparation;

function say(step, reply) {
  console.log(JSON.stringify({ step, reply }));
}

async function wait(task_id) {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const status = await separation.getAudioSeparationStatus({ task_id });
    if (status.status === "SUCCESS") return status;
    if (status.status !== "PENDING") throw new Error(JSON.stringify(status));
    await pause(INTERVAL);
  }
  throw new Error("the attempts are used up");
}

// The stems are at another host, which must not see the key.
async function save(url, path) {
  const reply = await fetch(url);
  if (!reply.ok) throw new Error(`${url}: ${reply.status}`);
  await writeFile(path, Buffer.from(await reply.arrayBuffer()));
}

const task = await separation.createAudioSeparation({
  media_file: createReadStream(audio),
  project_name: "my-separation-job",
  project_description: "Größe & ‘quotes’",
  folder_id: 7,
});
say("create", task);
const { run_id, ...status } = await wait(task.task_id);
say("status", { run_id, ...status });
const result = await separation.getAudioSeparationRunInfo({ run_id });
say("result", result);
say("results", await separation.getAudioSeparationRunsResults({
  body: { run_ids: [run_id, run_id + 1] },
}));
await save(result.foreground_audio_url, `${folder}/foreground.flac`);
await save(result.background_audio_url, `${folder}/background.flac`);
