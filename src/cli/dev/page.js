(() => {
  const { version, reload } = document.body.dataset, says = document.getElementById('live');
  const listen = () => {
    const live = new EventSource('/.nexus/live?' + version);
    live.onopen = () => { says.textContent = reload ? 'This page loads again by itself when the program has changed.' : 'Waiting for a change.'; };
    live.onerror = () => {
      says.textContent = 'nexus dev does not answer just now.';
      if (live.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
    };
    live.addEventListener('change', () => {
      live.close();
      if (reload) location.reload();
      else says.textContent = 'The program has changed: send the request again.';
    });
  };
  listen();
})();
