// A popover that a key opened takes the focus: Streamlit draws it at the end of the page, many Tabs away.

const OPENED_MS = 800;   // at most this long, until it is drawn
const FIELDS = 'input, textarea, select, button, a[href], [tabindex="0"]';

function enter(until) {
  const field = document.querySelector('[data-testid="stPopoverBody"]')?.querySelector(FIELDS);
  field?.focus();   // in vain while it is not placed yet
  if ((!field || document.activeElement !== field) && performance.now() < until) requestAnimationFrame(() => enter(until));
}

function opened(event) {
  const byKey = event.isTrusted && event.detail === 0;   // neither the mouse nor a shortcut
  const button = byKey && event.target.closest?.('[data-testid="stPopover"] button');
  if (button && button.getAttribute('aria-expanded') !== 'true') enter(performance.now() + OPENED_MS);
}

export default function () {
  document.addEventListener('click', opened, true);
  return () => document.removeEventListener('click', opened, true);
}
