// Bring something into view inside the box that scrolls, and leave the page where it is.

export function reveal(box, element, margin = 24) {
  if (!box || !element) return;
  const outer = box.getBoundingClientRect(), inner = element.getBoundingClientRect();
  const beyond = (start, end, low, high) => (start < low + margin ? start - low - margin : end > high - margin ? Math.min(start - low - margin, end - high + margin) : 0);
  box.scrollTop += beyond(inner.top, inner.bottom, outer.top, outer.bottom);
  box.scrollLeft += beyond(inner.left, inner.right, outer.left, outer.right);
}
