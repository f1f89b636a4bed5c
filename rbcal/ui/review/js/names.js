// The names of the cells, beside their boxes: of the same size at every zoom, and on no cell where there is room.
//
// The component's own chips cover the cells around them and have the colour of the box; so they stay empty.
// Python says which box is called what (component.py), in canvas pixels; here is only where the name goes.

const NAME_PX = 11, NAME_HIGH = 15, NAME_PAD = 4, RING = 9;   // screen pixels; a ring lies around the selected cell
const CELL_SHARE = 0.78;   // of the sides of a box: a round cell leaves the corners free
const COVERS = 0.12;       // of a name, that may lie on other cells before it is written short

const NAMES_STYLE = `
  .rbcal-names { position: absolute; inset: 0; z-index: 16; pointer-events: none; overflow: hidden; }
  .rbcal-names span { position: absolute; box-sizing: border-box; white-space: nowrap; border-radius: 2px; text-align: center; }
`;

function overlap(a, b) {
  return Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
}

function middlePart([x1, y1, x2, y2]) {
  const dx = (x2 - x1) * (1 - CELL_SHARE) / 2, dy = (y2 - y1) * (1 - CELL_SHARE) / 2;
  return [x1 + dx, y1 + dy, x2 - dx, y2 - dy];
}

// Where a name may go, the best first: above its box, below it, beside it.
function* placesFor([x1, y1, x2, y2], wide) {
  const high = NAME_HIGH, across = (x1 + x2 - wide) / 2, down = (y1 + y2 - high) / 2;
  for (const x of [x1, across, x2 - wide]) yield [x, y1 - high, x + wide, y1];
  for (const x of [x1, across, x2 - wide]) yield [x, y2, x + wide, y2 + high];
  for (const y of [y1, down, y2 - high]) {
    yield [x2, y, x2 + wide, y + high];
    yield [x1 - wide, y, x1, y + high];
  }
}

class Names {
  constructor(container) {
    this.element = document.createElement('div');
    this.element.className = 'rbcal-names';
    container.append(this.element);
    this.pen = document.createElement('canvas').getContext('2d');
    this.widths = new Map();
  }

  width(text) {
    if (!this.widths.has(text)) {
      this.pen.font = `${NAME_PX}px sans-serif`;
      this.widths.set(text, Math.ceil(this.pen.measureText(text).width) + 2 * NAME_PAD);
    }
    return this.widths.get(text);
  }

  // `boxes`: of each its sides in canvas pixels, which of `classes` it is called (-1: no name), and whether it is selected.
  show({ classes, boxes, size }, zoom) {
    const asked = JSON.stringify([classes, boxes, zoom]);
    if (asked === this.asked) return;
    this.asked = asked;
    this.edge = size.map((side) => side * zoom);
    this.boxes = boxes.map(([x1, y1, x2, y2, label, selected]) => {
      const sides = [x1, y1, x2, y2].map((side) => side * zoom), gap = selected ? RING : 0;
      const around = [sides[0] - gap, sides[1] - gap, sides[2] + gap, sides[3] + gap];
      return { sides, around, area: (x2 - x1) * (y2 - y1), own: classes[label], selected };
    });
    const cells = this.boxes.map(({ sides }) => middlePart(sides)), placed = [];
    // The selected cell chooses first, then small ones, which have the least room.
    const order = [...this.boxes.keys()].filter((k) => this.boxes[k].own);
    order.sort((a, b) => this.boxes[b].selected - this.boxes[a].selected || this.boxes[a].area - this.boxes[b].area);
    this.element.replaceChildren(...order.map((k) => {
      const { own, selected } = this.boxes[k];
      let text = own.name, best = this.bestPlace(k, text, cells, placed);
      if (!selected && best.cost > COVERS * this.width(text) * NAME_HIGH) best = this.bestPlace(k, text = own.short, cells, placed);
      placed.push(best.place);
      return this.tag(k, text, best.place, zoom);
    }));
  }

  bestPlace(k, text, cells, placed) {
    const wide = this.width(text);
    let best = { cost: Infinity };
    for (const place of placesFor(this.boxes[k].around, wide)) {
      let cost = 4 * (wide * NAME_HIGH - overlap(place, [0, 0, ...this.edge]));   // outside nobody could read it
      for (const other of placed) cost += 2 * overlap(place, other);
      for (let j = 0; j < cells.length && cost < best.cost; j++) if (j !== k) cost += overlap(place, cells[j]);
      if (cost < best.cost) best = { cost, place };
      if (!cost) break;
    }
    return best;
  }

  tag(k, text, [x1, y1, x2], zoom) {
    const { name, colour, ink } = this.boxes[k].own, tag = document.createElement('span');
    tag.textContent = text;
    Object.assign(tag.dataset, { box: k, name });
    Object.assign(tag.style, {
      left: `${x1 / zoom}px`, top: `${y1 / zoom}px`, width: `${(x2 - x1) / zoom}px`,
      font: `${NAME_PX / zoom}px/${NAME_HIGH / zoom}px sans-serif`, background: colour, color: ink,
    });
    return tag;
  }

  // A box that is dragged leaves its name behind: it is away until the boxes come again.
  hideAt([x, y], zoom) {
    for (const tag of this.element.children) {
      const [x1, y1, x2, y2] = this.boxes[tag.dataset.box].sides;
      if (x * zoom >= x1 && x * zoom <= x2 && y * zoom >= y1 && y * zoom <= y2) tag.style.visibility = 'hidden';
    }
  }

  showAll() {
    for (const tag of this.element.children) tag.style.visibility = '';
  }
}
