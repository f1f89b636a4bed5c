// Sees whether the page that is open has been emptied, and says so once; see empty_page.py.

const INTERVAL_MS = 400, EMPTY_TIMES = 4;   // a page that is about to be drawn is empty for a moment, too

function isEmpty() {
  const main = document.querySelector('[data-testid="stMainBlockContainer"]');
  const idle = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === 'notRunning';
  return idle && main && !main.querySelector('[data-testid="stElementContainer"]:not(:empty), [data-testid="stColumn"]');
}

const timers = new WeakMap();   // by the place on the page: each run of the page comes by again

export default function (component) {
  const { parentElement } = component;
  let times = 0;
  clearInterval(timers.get(parentElement));
  const timer = setInterval(() => {
    times = isEmpty() ? times + 1 : 0;
    if (times === EMPTY_TIMES) component.setTriggerValue('emptied', true);
  }, INTERVAL_MS);
  timers.set(parentElement, timer);
  return () => clearInterval(timer);
}
