// sherpa-onnx-node finds speech in a recording.
const { clocked } = require('./clock.js');
const sherpa = require('sherpa-onnx-node');
const [, , recording, model] = process.argv;

const sileroVad = { model, threshold: 0.5, minSpeechDuration: 0.25, minSilenceDuration: 0.3, windowSize: 512 };
const vad = new sherpa.Vad({ sileroVad, sampleRate: 16000, numThreads: 1 }, 60);
const { samples } = sherpa.readWave(recording);
clocked(async () => {
  for (let i = 0; i + 512 <= samples.length; i += 512) vad.acceptWaveform(samples.subarray(i, i + 512));
  vad.flush();
  for (; !vad.isEmpty(); vad.pop()) {
    const segment = vad.front();
    console.log('speech at', segment.start, 'for', segment.samples.length);
  }
});
