// Keys: what each does, Python says (rbcal/review/shortcuts.py). Here is what is done without Python, or before it.

const LEAVE_MOST_MS = 20_000;   // Python says when an image is left, or that it stays; if it never does
const REPEATED = ['go', 'step'];   // by a key held down

// What does not go to Python as it is.
const LOCAL = {
  show_view: (stage) => stage.click('.st-key-view button'),
  save: (stage) => stage.click('.st-key-save button'),
  skip: (stage) => stage.click('.st-key-skip button'),
  keep: (stage) => stage.messages.deal('keep'),
  remove: (stage) => (!stage.byCell && stage.press('Delete selected')) || stage.messages.deal('remove'),
  leave_unsure: (stage) => stage.messages.deal('leave_unsure'),
  insert: (stage) => stage.messages.ask('insert', stage.middle()),
  step: (stage, by) => stage.cellReview.step(by),
  hide: (stage) => stage.hide(true),
  zoom_by: (stage, steps) => stage.zoomBy(steps),
  nudge: (stage, sides) => stage.keys.nudge(sides),
};
const AT_ONCE = ['nudge', 'hide', 'zoom_by'];   // they do not wait for an edit before them

function focused() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}

function typing() {
  const element = focused();
  if (!element) return false;
  return /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName) || element.isContentEditable || Boolean(element.closest('[data-testid="stPopoverBody"]'));
}

class Keys {
  constructor(stage) {
    this.stage = stage;
    this.nudged = [0, 0, 0, 0];
    this.leavingUntil = 0;
  }

  // What a key means now: an action and its value.
  meaning({ key, ctrlKey, metaKey, shiftKey, altKey }) {
    const table = this.stage.data.shortcuts[this.stage.byCell ? 'cells' : 'image'];
    const ctrl = ctrlKey || metaKey ? 'Ctrl+' : '', name = key.length === 1 ? key.toLowerCase() : key;
    const [action, value] = (shiftKey && table[`${ctrl}Shift+${name}`]) || table[ctrl + name] || [];
    return altKey && (!ctrl || action === 'nudge') ? [] : [action, value];
  }

  // One place for every key, ahead of Streamlit's own: what we do not know goes on to its buttons.
  down(event) {
    if (typing() || document.querySelector('[role="dialog"]')) return;
    if (/^(Enter| )$/.test(event.key) && focused()?.tagName === 'BUTTON') return;   // reached with Tab: it is meant
    const ours = event.isTrusted && (this.unwanted(event) || this.nudgedAhead(event) || this.stage.messages.hold(event));
    if (!ours && !this.act(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  up(event) {
    if (this.meaning({ key: event.key })[0] === 'hide') this.stage.hide(false);
  }

  // Returns whether the key was ours.
  act(event) {
    const { stage } = this, [action, value] = this.meaning(event), ctrl = event.ctrlKey || event.metaKey;
    if (action !== 'nudge' && stage.byCell && !stage.cellReview.held) return true;   // there is nothing to see yet
    if (AT_ONCE.includes(action)) return LOCAL[action](stage, value);
    if (!ctrl) {
      if (event.altKey) return false;
      stage.flush();   // whatever this key means to Streamlit comes after the edit before it
      if (event.repeat && !REPEATED.includes(action)) return true;
    }
    if (action) return LOCAL[action] ? LOCAL[action](stage, value) : stage.messages.ask(action, value);
    const label = ctrl ? -1 : stage.data.keys.indexOf(event.key.toLowerCase());
    return label >= 0 && stage.messages.deal('relabel', label);
  }

  // Some keys move the chosen box, and gather while the last move is on its way.
  nudgedAhead(event) {
    const [action, sides] = this.meaning(event);
    return action === 'nudge' && !this.stage.messages.queue.length && this.nudge(sides);
  }

  nudge(sides) {
    this.nudged = this.nudged.map((each, side) => each + sides[side]);
    this.sendNudge();
    return true;
  }

  sendNudge() {
    if (!this.nudged.some(Boolean) || this.stage.messages.awaiting) return;
    this.stage.messages.ask('nudge', this.nudged);
    this.nudged = [0, 0, 0, 0];
  }

  // A key held down, or pressed twice, must not save an image before anybody has seen it: until Python has answered
  // a Save or a Skip, another one is a slip.
  unwanted(event) {
    const [action] = this.meaning(event), leaves = action === 'save' || action === 'skip';
    if (!leaves && !(action === 'keep' && this.stage.byCell)) return false;
    const now = performance.now();
    if (event.repeat || now < this.leavingUntil) return true;
    if (leaves) this.leavingUntil = now + LEAVE_MOST_MS;
    return false;
  }

  // Called before the stage has the new data.
  receive(data) {
    const before = this.stage.data;
    if (data.image !== before.image || data.answers !== before.answers) this.leavingUntil = 0;
  }
}
