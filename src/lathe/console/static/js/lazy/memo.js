// A part that is drawn again only if what it is given changed: for what there are many of.
import { Component } from "preact";

const same = (a, b) => Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([name, value]) => b[name] === value);

/** The part, without hooks of its own. */
export const memo = (part) =>
  class extends Component {
    shouldComponentUpdate(next) {
      return !same(this.props, next);
    }
    render(props) {
      return part(props);
    }
  };
