// @gutenye/ocr-node reads text from a picture.
const { clocked } = require('./clock.js');
const lines = ['Tessera reads 12345', 'The quick brown fox jumps', 'over the lazy dog, 2026'];

(async () => {
  const sharp = require('sharp');
  const { default: Ocr } = await import('@gutenye/ocr-node');
  const text = lines.map((line, i) => `<text x="30" y="${70 + 65 * i}" font-size="${36 - 4 * i}">${line}</text>`);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="240" font-family="DejaVu Sans">
    <rect width="640" height="240" fill="white"/>${text.join('')}</svg>`;
  await sharp(Buffer.from(svg)).png().toFile(process.argv[2]);
  const ocr = await Ocr.create();
  await clocked(async () => {
    for (const line of await ocr.detect(process.argv[2])) console.log(line.text, line.mean.toFixed(3));
  });
})();
