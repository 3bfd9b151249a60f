// SPDX-License-Identifier: MIT
/** The data of a stream of server-sent events, parsed, one after another as they come. */
export async function* events(response) {
  if (!response.ok) throw new Error(`${response.status}: ${(await response.json()).error.message}`);
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    rest += text;
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
      // Comments keep the connection alive and have no data.
      if (data.length === 0) continue;
      if (data[0] === "[DONE]") return;
      const event = JSON.parse(data.join("\n"));
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}
