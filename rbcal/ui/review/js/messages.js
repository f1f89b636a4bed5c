// What the companion says to Python (rbcal/review/messages.py), one thing after another.
//
// Python answers some acts with a redraw, which would end a drag that began meanwhile. Until it is there, what the user
// does waits in a queue and is then played in the same order.

const HOLD_MS = 20_000;    // at most this long

class Messages {
  constructor(stage) {
    this.stage = stage;
    this.ticket = null;      // of the last thing asked of Python
    this.asked = null;
    this.point = null;       // the last press: canvas pixels, when, and on which image
    this.queue = [];         // what the user did while a redraw is on its way
    this.awaitedUntil = 0;
  }

  get awaiting() { return performance.now() <= this.awaitedUntil; }

  // The time tells two presses apart.
  press([x, y]) {
    this.point = [x, y, Date.now(), this.stage.data.image];
    this.send.setStateValue('point', this.point);
  }

  ask(action, value) {
    this.stage.flush(true);
    this.ticket += 1;
    this.asked = action;
    this.awaitedUntil = performance.now() + HOLD_MS;
    // With the press before it: the two may reach Python in either order.
    this.send.setTriggerValue('act', { action, value, ticket: this.ticket, image: this.stage.data.image, point: this.point });
    return true;
  }

  // What deals with the cell under review shows the next one at once.
  deal(action, value) {
    this.ask(action, value);
    if (this.stage.byCell) this.stage.cellReview.goAhead();
    return true;
  }

  receive(data) {
    this.ticket ??= data.ticket;
    if (data.done < this.ticket || !this.awaitedUntil) return;
    this.awaitedUntil = 0;
    this.stage.keys.sendNudge();   // it was gathered before what is in the queue
    this.play();
  }

  // Returns whether the event was put into the queue.
  hold(event) {
    if (!event.isTrusted) return false;   // what we play ourselves
    const inside = this.stage.inside(event);
    if (!this.queue.length) {
      // A press on the canvas, or on a button such as Save: the act before it comes first.
      const begins = event.type === 'keydown' || (event.type === 'mousedown' && inside) || (event.type === 'click' && !inside);
      if (!this.awaiting || !begins) return false;
      this.playLater();
    }
    if (event.type === 'click' && inside) return false;
    event.stopImmediatePropagation();
    if (event.type === 'keydown' || event.type === 'click') event.preventDefault();
    this.queue.push({ event, target: event.composedPath()[0], byCell: this.stage.byCell });
    return true;
  }

  playLater() {
    clearTimeout(this.holdTimer);
    this.holdTimer = setTimeout(() => this.play(), this.awaitedUntil - performance.now());
  }

  play() {
    clearTimeout(this.holdTimer);
    this.awaitedUntil = 0;
    while (this.queue.length && !this.awaiting) {
      const { event, target, byCell } = this.queue.shift();
      if (byCell && !this.stage.byCell) continue;   // it was meant for a cell of the review, which is over
      if (event.type === 'keydown') this.playKey(event);
      else if (event.type === 'click') target.click?.();
      else this.playMouse(event);
    }
    if (this.queue.length) this.playLater();
  }

  playKey({ key, code, keyCode, ctrlKey, metaKey, shiftKey }) {
    const kind = { bubbles: true, cancelable: true, composed: true, key, code, keyCode, which: keyCode, ctrlKey, metaKey, shiftKey };
    document.body.dispatchEvent(new KeyboardEvent('keydown', kind));
    document.body.dispatchEvent(new KeyboardEvent('keyup', kind));
  }

  playMouse({ type, clientX, clientY, button, buttons }) {
    const kind = { bubbles: true, cancelable: true, composed: true, clientX, clientY, button, buttons };
    this.stage.part('.upper-canvas')?.dispatchEvent(new MouseEvent(type, kind));
    this.stage.editedAt = performance.now();
  }
}
