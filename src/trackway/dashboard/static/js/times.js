// Times in the reader's zone. The server writes them in UTC and keeps them so in `datetime` and `title`.

const DAY = { day: "numeric", month: "short", year: "numeric" };
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const FORMS = {
  clock: new Intl.DateTimeFormat("en-GB", CLOCK),
  minute: new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  date: new Intl.DateTimeFormat("en-GB", DAY),
  day: new Intl.DateTimeFormat("en-GB", { ...DAY, ...CLOCK }),
  exact: new Intl.DateTimeFormat("en-GB", { ...DAY, ...CLOCK, fractionalSecondDigits: 3, timeZoneName: "short" }),
};
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"]];

/** @param {Date} moment */
function sayAge(moment) {
  const seconds = Math.max(0, Math.round((Date.now() - moment.getTime()) / 1000));
  const [size, unit] = UNITS.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

/**
 * @param {Element} time a <time datetime data-form>
 */
export function showTime(time) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  const { form } = time.dataset;
  const text = form === "age" ? sayAge(moment) : FORMS[form].format(moment);
  if (time.textContent !== text) time.textContent = text;
}

/**
 * @param {ParentNode} root
 * @param {string} [form] only times of this form
 */
export function showTimes(root, form = "") {
  const which = form ? `time[datetime][data-form="${form}"]` : "time[datetime][data-form]";
  for (const time of root.querySelectorAll(which)) showTime(time);
}
