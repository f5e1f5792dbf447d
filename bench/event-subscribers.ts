// A process of its own that opens COUNT WebSockets to URL and measures, for every message that carries a send time
// (`"sent:MICROSECONDS"`), how long it took. Prints `ready`, and on SIGTERM one line of JSON: all latencies in microseconds.
import { once } from "node:events";
import { WebSocket } from "ws";

const [url = "", countText = "1", hello = ""] = process.argv.slice(2);
const count = Number(countText);
const latencies: number[] = [];

/** Microseconds since 1970, comparable between processes of one machine. */
function nowMicroseconds(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

function open(onReady: () => void): void {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  socket.on("open", () => {
    if (hello === "") onReady();
    else socket.send(hello);
  });
  socket.on("message", (data: Buffer) => {
    const receivedAt = nowMicroseconds();
    const text = data.toString("latin1");
    const at = text.indexOf("sent:");
    if (at !== -1) latencies.push(receivedAt - Number(text.slice(at + 5, at + 21)));
    else if (text.startsWith('{"type":"snapshot"')) onReady();
  });
}

const ready = Array.from({ length: count }, () => new Promise<void>((resolve) => open(resolve)));
await Promise.all(ready);
process.stdout.write("ready\n");
await once(process, "SIGTERM");
process.stdout.write(`${JSON.stringify(latencies)}\n`, () => process.exit(0));
