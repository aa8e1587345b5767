// Brings the packages while Python starts: a thread of its own, which the page's Python begins and is answered by.
import { checked } from "./files.mjs";
import { unpack } from "./packages.mjs";

self.onmessage = async ({ data: { address, sums } }) => {
  try {
    const fetch = checked(sums, (bytes) => postMessage({ bytes }));
    const packages = await unpack(await (await fetch(address)).arrayBuffer());
    const [body] = packages.files.values();
    postMessage({ packages }, [body.buffer]); // one buffer has them all
  } catch ({ file, message }) {
    postMessage({ failed: { file, message } });
  }
};
