// How a picture is shown: brightness, contrast, gamma, one channel, inverted. An SVG filter, so that nothing is
// computed or sent anew; it has to live in the same tree as the element that it is for.

const SVG = 'http://www.w3.org/2000/svg';
const CHANNELS = { red: '1 0 0 0 0', green: '0 1 0 0 0', blue: '0 0 1 0 0' };

function makeFilter() {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('width', 0);
  svg.setAttribute('height', 0);
  svg.style.position = 'absolute';
  return svg;
}

function setFilter(svg, element, filters) {
  if (!element) return;
  const text = JSON.stringify(filters ?? {});
  if (svg.dataset.filters !== text) {
    svg.dataset.filters = text;
    const { brightness = 0, contrast = 1, gamma = 1, channel, invert } = filters ?? {};
    const matrix = CHANNELS[channel];
    const steps = [];
    if (matrix) steps.push(`<feColorMatrix type="matrix" values="${matrix} ${matrix} ${matrix} 0 0 0 1 0"/>`);
    if (invert) steps.push(transfer('type="linear" slope="-1" intercept="1"'));
    if (gamma !== 1) steps.push(transfer(`type="gamma" exponent="${1 / gamma}"`));
    if (contrast !== 1 || brightness) steps.push(transfer(`type="linear" slope="${contrast}" intercept="${brightness + (1 - contrast) / 2}"`));
    svg.innerHTML = `<filter id="rbcal-filter" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB">${steps.join('')}</filter>`;
    svg.dataset.on = steps.length > 0;
  }
  element.style.filter = svg.dataset.on === 'true' ? 'url(#rbcal-filter)' : '';
}

function transfer(attributes) {
  return `<feComponentTransfer>${['R', 'G', 'B'].map((each) => `<feFunc${each} ${attributes}/>`).join('')}</feComponentTransfer>`;
}
