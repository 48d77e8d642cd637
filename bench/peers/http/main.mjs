// SPDX-License-Identifier: MIT
//
// The HTTP server of the benchmark on node: `node main.mjs PORT FOLDER`. "/plaintext" is 13 bytes,
// every other path a file of the folder.
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";

const [port, folder] = process.argv.slice(2);

createServer(async (request, response) => {
    if (request.url === "/plaintext") {
        response.writeHead(200, { "Content-Type": "text/plain", "Content-Length": 13 });
        response.end("Hello, World!");
        return;
    }
    try {
        const path = join(folder, normalize(request.url));
        const { size } = await stat(path);
        response.writeHead(200, { "Content-Length": size });
        createReadStream(path).pipe(response);
    } catch {
        response.writeHead(404).end();
    }
}).listen(Number(port), "127.0.0.1");
