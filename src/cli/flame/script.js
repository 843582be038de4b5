
(function () {
  'use strict';
  var svg = document.currentScript.ownerSVGElement, SIDE = 12, CHARACTER = 7;
  var total = +svg.dataset.total, height = +svg.getAttribute('height');
  function id(name) { return svg.querySelector('#' + name); }
  var info = id('info'), reset = id('reset'), search = id('search'), found = id('found'), idle = info.textContent;
  var frames = Array.prototype.map.call(id('flames').children, function (g) {
    var title = g.firstElementChild.textContent;
    return {g: g, x: +g.dataset.x, n: +g.dataset.n, d: +g.dataset.d, title: title,
      name: title.slice(0, title.lastIndexOf(' (')), rect: g.children[1], text: g.children[2]};
  });
  var zoom = null, wanted = '';
  function fit(name, width) {
    var most = Math.floor((width - 6) / CHARACTER);
    return most < 3 ? '' : name.length <= most ? name : name.slice(0, most - 2) + '..';
  }
  function draw() {
    var width = Math.max(400, document.documentElement === svg ? window.innerWidth : svg.clientWidth || 1200);
    svg.setAttribute('width', width);
    svg.setAttribute('viewBox', '0 0 ' + width + ' ' + height);
    search.setAttribute('x', width - 60);
    reset.setAttribute('x', width - 180);
    found.setAttribute('x', width - SIDE);
    var from = zoom ? zoom.x : 0, n = zoom ? zoom.n : total, scale = (width - 2 * SIDE) / n, hits = [];
    frames.forEach(function (f) {
      var below = zoom && f.d < zoom.d && f.x <= from && f.x + f.n >= from + n;
      var inside = f.x >= from && f.x + f.n <= from + n && !(zoom && f.d < zoom.d);
      var w = below ? width - 2 * SIDE : f.n * scale, x = below ? SIDE : SIDE + (f.x - from) * scale;
      var hit = wanted !== '' && f.name.toLowerCase().indexOf(wanted) >= 0;
      f.g.classList.toggle('hidden', !(below || inside) || w < 0.3);
      f.g.classList.toggle('faded', !!below);
      f.g.classList.toggle('hit', hit);
      if (hit && inside) hits.push(f);
      f.rect.setAttribute('x', x);
      f.rect.setAttribute('width', w);
      f.text.setAttribute('x', x + 3);
      f.text.textContent = fit(f.name, w);
    });
    hits.sort(function (a, b) { return a.x - b.x || b.n - a.n; });
    var sum = 0, end = -1;
    hits.forEach(function (f) {
      if (f.x >= end) { sum += f.n; end = f.x + f.n; }
    });
    found.textContent = wanted === '' ? '' : '"' + wanted + '": ' + (100 * sum / n).toFixed(2) + ' %';
    reset.classList.toggle('on', !!zoom || wanted !== '');
  }
  function frame(event) {
    var g = event.target.closest && event.target.closest('.f');
    return g && frames.filter(function (f) { return f.g === g; })[0];
  }
  function ask() {
    var text = window.prompt('Names that contain', wanted);
    if (text !== null) { wanted = text.toLowerCase(); draw(); }
  }
  function whole() { zoom = null; wanted = ''; draw(); }
  svg.addEventListener('mouseover', function (event) {
    var f = frame(event);
    info.textContent = f ? f.title : idle;
  });
  id('flames').addEventListener('click', function (event) {
    var f = frame(event);
    if (f) { zoom = f.d ? f : null; draw(); }
  });
  search.addEventListener('click', ask);
  reset.addEventListener('click', whole);
  window.addEventListener('keydown', function (event) {
    if (event.key === 'Escape') whole();
    if (event.key === '/' || event.key === 'F3' || (event.key === 'f' && (event.ctrlKey || event.metaKey))) {
      event.preventDefault();
      ask();
    }
  });
  window.addEventListener('resize', draw);
  search.classList.add('on');
  draw();
})();
